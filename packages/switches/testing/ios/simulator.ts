/** A simulated Catalyst: IOS's command line over SSH. */
import { type SshSwitch, startSshSwitch } from '../cli/ssh.ts'
import { type IosModel, iosVendor } from './vendor.ts'

export type CatalystOptions = Partial<IosModel> & { ports?: number; username?: string; password?: string }

export function startCatalyst({
  encapsulation = false,
  switchesOnly = false,
  ...options
}: CatalystOptions = {}): Promise<SshSwitch> {
  return startSshSwitch({
    ...options,
    vendor: iosVendor({ encapsulation, switchesOnly }),
    driver: 'cisco-ios-ssh',
    host: 'catalyst-1',
    promptTail: ({ kind }) =>
      kind === 'global' ? '(config)' : kind === 'vlan' ? '(config-vlan)' : '(config-if)',
  })
}
