/** How the command lines of this family look over SSH; a dialect says what is different. */
import type { ShellProfile } from '../transports/shell.ts'

export const plainShell: ShellProfile = {
  promptTail: /^(?:\([\w./:-]+\))?[#>] ?$/,
  prepare: ['terminal length 0'],
  enterConfigure: 'configure terminal',
  leaveConfigure: 'end',
  pager: /--More--/,
  questions: [
    { asks: /\[confirm\]\s*$|\[startup-config\]\?\s*$/, answer: '' },
    { asks: /\[(?:yes\/no|y\/n)(?:\([yn]\))?\]:?\s*$/i, answer: 'yes' },
  ],
  jsonSuffix: '',
}
