/** The switch of a measurement: one simulated Nexus in a process of its own, so that nobody's work is in anybody's way. */
import { fork } from 'node:child_process'
import type { SwitchTarget } from '@leasehold/switches'
import { type Nexus, startNexus } from '@leasehold/switches/testing'
import { type Answers, answering, asking } from '../consoles/messages.ts'

/** VLANs by port. */
export type Wanted = Readonly<Record<string, number>>

export type Doors = { ssh: SwitchTarget; nxapi: SwitchTarget; ports: readonly string[] }

export type Outcome = {
  logins: number
  saves: number
  /** Ports that are in their VLAN, and in no other. */
  right: number
  /** Ports that would be after a restart of the switch. */
  rightWhenRestarted: number
}

const commands = {
  /** Ports are switched and up, in VLAN 1. */
  async start({ loginDelayMs, saveDelayMs }: { loginDelayMs: number; saveDelayMs: number }): Promise<Doors> {
    nexus = await startNexus({ ports: 50, switchedByDefault: true })
    Object.assign(nexus.faults, { loginDelayMs, saveDelayMs })
    factory = structuredClone(nexus.box.config)
    return { ssh: nexus.target(), nxapi: nexus.nxapi(), ports: nexus.ports }
  },
  /** As from the factory again but for these VLANs, which are there and saved. Counting begins anew. */
  reset({ vlans }: { vlans: readonly { id: number; name: string }[] }): void {
    const { box, counts } = running()
    const config = structuredClone(factory as Nexus['box']['config'])
    config.vlans.push(...vlans.map((vlan) => ({ ...vlan, suspended: false, shutdown: false })))
    Object.assign(box, { config, startup: structuredClone(config) })
    Object.assign(counts, { logins: 0, writes: 0, saves: 0 })
  },
  look({ wanted }: { wanted: Wanted }): Outcome {
    const { box, counts, seen } = running()
    const isRight = ([port, vlan]: [string, number]) => {
      const { untagged, tagged } = seen(port)
      return untagged === vlan && tagged !== 'all' && tagged.length === 0
    }
    const count = () => Object.entries(wanted).filter(isRight).length
    const right = count()
    const { config } = box
    box.config = box.startup
    const rightWhenRestarted = count()
    box.config = config
    return { logins: counts.logins, saves: counts.saves, right, rightWhenRestarted }
  },
  async stop(): Promise<void> {
    await nexus?.close()
    setImmediate(() => process.disconnect?.())
  },
}

let nexus: Nexus | undefined
let factory: Nexus['box']['config'] | undefined

function running(): Nexus {
  if (nexus === undefined) throw new Error('the switch is not started yet')
  return nexus
}

export type SwitchProcess = Answers<typeof commands>

/** Starts the process; the switch is up after `start`. */
export const forkSwitch = (): SwitchProcess => asking<typeof commands>(fork(import.meta.filename))

if (process.send !== undefined && process.argv[1] === import.meta.filename) answering(commands)
