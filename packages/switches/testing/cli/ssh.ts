/** A simulated switch whose command line is reached over SSH. */
import type { SwitchTarget } from '../../types.ts'
import type { SimulatedSwitch } from '../device.ts'
import { startShellServer } from '../shell-server.ts'
import { type Box, createBox, faceOf, runLine, type User, type Vendor } from './box.ts'
import type { Place } from './engine.ts'

export type SshSwitch = SimulatedSwitch & { box: Box; lines: string[] }

export type SshOptions = {
  vendor: Vendor
  driver: string
  /** What is between the host's name and the `#`. */
  promptTail: (place: Place) => string
  host: string
  enterConfigure?: string
  ports?: number
  username?: string
  password?: string
}

export async function startSshSwitch(options: SshOptions): Promise<SshSwitch> {
  const { vendor, driver, host, ports = 24, username = 'leasehold', password = 'correct horse' } = options
  const { enterConfigure = 'configure terminal' } = options
  const box = createBox(vendor, ports)
  const { faults, counts } = box
  const server = await startShellServer({ username, password, faults, counts, open })

  function open() {
    const user: User = { place: null }
    let paged = true
    return {
      prompt: () => `${host}${user.place === null ? '' : options.promptTail(user.place)}# `,
      pageLength: () => faults.pager ?? (paged ? 24 : 0),
      run: async (line: string) => {
        if (line === 'terminal length 0') paged = false
        if (line === 'exit' && user.place === null) return null
        const moved = line === enterConfigure || line === 'end'
        if (moved && (line === 'end') === (user.place !== null)) {
          user.place = line === 'end' ? null : { kind: 'global' }
          return line === 'end' ? '' : 'Enter configuration commands, one per line.  End with CNTL/Z.'
        }
        const answer = await runLine(box, user, line)
        return answer === null || answer === undefined ? answer : answer.text
      },
    }
  }

  return {
    ...faceOf(box, ports),
    target: (overrides: Partial<SwitchTarget> = {}) => ({
      driver,
      address: '127.0.0.1',
      port: server.port,
      username,
      password,
      trust: { hostKeys: [server.hostKey] },
      ...overrides,
    }),
    close: server.close,
  }
}
