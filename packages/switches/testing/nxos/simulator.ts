/** A simulated Nexus on real sockets: SSH and NX-API over HTTPS, one configuration behind both. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Counts, Faults, Said, Seen, SimulatedSwitch } from '../device.ts'
import { startShellServer } from '../shell-server.ts'
import { configure, type Place } from './configure.ts'
import { dirtyInterface } from './dirt.ts'
import { type Box, exec, invalidCommand } from './exec.ts'
import { factoryConfig, runningConfig, seenBy } from './model.ts'
import { startNxapiServer } from './nxapi-server.ts'
import type { NexusUser, Outcome } from './user.ts'

/** Lines that are kept: in a demonstration it may run for months. */
const mostLines = 100_000

export type NexusOptions = {
  /** How many ports Ethernet1/1 on; 50. */
  ports?: number
  /** Ports are switched unless said otherwise; false, as on a Nexus 9000. */
  switchedByDefault?: boolean
  username?: string
  password?: string
}

export type Nexus = SimulatedSwitch & {
  box: Box
  /** The same switch over the other door. */
  nxapi: SimulatedSwitch['target']
  /** The lines that came, in order; of very many the last. */
  lines: string[]
}

export async function startNexus(options: NexusOptions = {}): Promise<Nexus> {
  const {
    ports = 50,
    switchedByDefault = false,
    username = 'leasehold',
    password = 'correct horse',
  } = options
  const faults: Faults = {}
  const counts: Counts = { logins: 0, writes: 0, saves: 0 }
  const lines: string[] = []
  const observers: ((seen: Seen) => unknown)[] = []
  const config = factoryConfig(ports, { switchport: switchedByDefault, shutdown: false })
  const uplink = config.interfaces.at(-1)
  if (uplink) Object.assign(uplink, { switched: true, mode: 'trunk', shutdown: false, edge: 'network' })
  const box: Box = { config, startup: structuredClone(config), checkpoints: new Map(), faults, counts }
  const last = new Map<string, string>()

  async function observe(): Promise<void> {
    for (const { name } of box.config.interfaces) {
      const seen = seenBy(box.config, name)
      const text = JSON.stringify(seen)
      if (last.get(name) === text || name.startsWith('port-channel')) continue
      last.set(name, text)
      for (const observer of observers) await observer(seen)
    }
  }

  function login(): NexusUser {
    let place: Place | null = null
    const heading = () =>
      place?.kind === 'interface'
        ? `interface ${place.name}`
        : place?.kind === 'vlan'
          ? `vlan ${place.id}`
          : ''
    const tail = () =>
      place === null
        ? ''
        : place.kind === 'global'
          ? '(config)'
          : place.kind === 'vlan'
            ? '(config-vlan)'
            : '(config-if)'
    return {
      prompt: () => `nexus-1${tail()}# `,
      run: async (typed) => {
        const json = / \| json$/.test(typed)
        const line = typed.replace(/ \| json$/, '').trim()
        const said: Said = { line, context: heading() }
        if (lines.push(line) > mostLines) lines.splice(0, mostLines / 2)
        if (faults.drop?.(said)) return null
        if (faults.hang?.(said)) return undefined
        const words = faults.refuse?.(said)
        if (words !== undefined) return { text: words, failed: true }
        if (line === 'configure terminal') {
          place = { kind: 'global' }
          return { text: 'Enter configuration commands, one per line. End with CNTL/Z.', failed: false }
        }
        if (line === 'end' || (line === 'exit' && place?.kind === 'global')) {
          place = null
          return { text: '', failed: false }
        }
        if (place === null) return line === 'exit' ? null : show(line, json)
        counts.writes++
        if (faults.ignore?.(said)) return { text: '', failed: false }
        const done = configure(box.config, place, line)
        place = done.place
        await observe()
        return { text: done.text, failed: /^\s*\^|^ERROR|^% |^Invalid|^command failed/.test(done.text) }
      },
    }

    async function show(line: string, json: boolean): Promise<Outcome> {
      if (line.startsWith('copy ')) await sleep(faults.saveDelayMs ?? 0)
      const answer = exec(box, line)
      await observe()
      if (answer === undefined) return { text: invalidCommand, failed: true }
      if ('text' in answer)
        return { text: answer.text, failed: /^ERROR|Permission denied|^Invalid/m.test(answer.text) }
      return { text: json ? JSON.stringify(answer.body) : 'a table', failed: false, body: answer.body }
    }
  }

  const ssh = await startShellServer({
    username,
    password,
    faults,
    counts,
    open: () => {
      const user = login()
      let paged = true
      return {
        prompt: user.prompt,
        pageLength: () => faults.pager ?? (paged ? 24 : 0),
        run: async (line) => {
          if (line === 'terminal length 0') paged = false
          const outcome = await user.run(line)
          return outcome === null ? null : outcome?.text
        },
      }
    },
  })
  const api = await startNxapiServer({ username, password, faults, counts, login, box, observe })
  await observe()

  const base = { address: '127.0.0.1', username, password }
  return {
    box,
    lines,
    faults,
    counts,
    ports: Array.from({ length: ports - 2 }, (_, index) => `Ethernet1/${index + 1}`),
    protectedPort: `Ethernet1/${ports}`,
    target: (overrides = {}) => ({
      ...base,
      driver: 'cisco-nxos-ssh',
      port: ssh.port,
      trust: { hostKeys: [ssh.hostKey] },
      ...overrides,
    }),
    nxapi: (overrides = {}) => ({
      ...base,
      driver: 'cisco-nxos-nxapi',
      port: api.port,
      trust: { certificates: [api.sha256] },
      ...overrides,
    }),
    config: () => runningConfig(box.config),
    saved: () => runningConfig(box.startup),
    makeDirty: (port, dirt) => {
      dirtyInterface(box.config, port, dirt)
      return observe()
    },
    isAbout: ({ line, context }, port) =>
      context === `interface ${port}` && /^switchport (access|trunk allowed) vlan/.test(line),
    onPortState: (observer) => {
      observers.push(observer)
    },
    seen: (port) => seenBy(box.config, port),
    close: async () => {
      await Promise.all([ssh.close(), api.close()])
    },
  }
}
