/** How an NX-OS command line looks over SSH. */
import type { ShellProfile } from '../transports/shell.ts'

export const nxosShell: ShellProfile = {
  promptTail: /^(?:\([\w./: -]+\))*[#>] ?$/,
  prepare: ['terminal length 0', 'terminal width 511', 'terminal dont-ask'],
  enterConfigure: 'configure terminal',
  leaveConfigure: 'end',
  pager: /--More--/,
  questions: [{ asks: /\(y\/n\)\??\s*(?:\[[yn]\])?\s*$/i, answer: 'y' }],
  jsonSuffix: ' | json',
}
