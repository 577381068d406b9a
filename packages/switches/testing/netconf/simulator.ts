/**
 * A simulated switch behind NETCONF: candidate, locks, validate, confirmed commits that are really taken back, a startup
 * configuration. What its configuration means is told by a model.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { element, find, netconfNamespace, showXml, textAt, type XmlElement } from '../../transports/xml.ts'
import type { SwitchTarget } from '../../types.ts'
import type { Counts, Dirt, Faults, Said, Seen, SimulatedSwitch } from '../device.ts'
import { edit, type Refusal, type Schema } from './edit.ts'
import { ok, rpcError, startNetconfServer } from './server.ts'

export type Model = Schema & {
  driver: string
  settings: Readonly<Record<string, string>>
  capabilities: readonly string[]
  ports: readonly string[]
  protectedPort: string
  factory: () => XmlElement
  dirty: (config: XmlElement, port: string, dirt: Dirt) => XmlElement
  seen: (config: XmlElement, port: string) => Seen
  /** Why a configuration cannot be in force. */
  check: (config: XmlElement) => Refusal | null
  /** Why an edit cannot even be in a candidate: elements of the wrong namespace. */
  checkEdit: (config: XmlElement) => Refusal | null
  isAbout: SimulatedSwitch['isAbout']
  /** The port that an edit is about. */
  portOf: (config: XmlElement) => string | undefined
  /** Operations of the vendor's own. */
  rpc: (operation: XmlElement, box: Box, session: number) => readonly XmlElement[] | undefined
  /** Whether a session's end undoes its unconfirmed commit at once (RFC 6241), or only the clock does. */
  revertsAtSessionEnd: boolean
}

export type CommitOptions = { session: number; timeoutMs?: number | undefined; log?: string }

export type Box = {
  running: XmlElement
  candidate: XmlElement
  startup: XmlElement
  /** Newest first; `history[0]` is running. */
  history: { config: XmlElement; log: string; comment: string }[]
  commit: (options: CommitOptions) => void
  model: Model
}

export type SimulatorOptions = {
  chunks?: boolean
  startup?: boolean
  /** A second of the clock of confirmed commits, in ms: shorter for tests. */
  secondMs?: number
  username?: string
  password?: string
}

export type NetconfSwitch = SimulatedSwitch & {
  box: Box
  /** Names of operations in the order in which they came. */
  operations: string[]
  /** Ends all sessions, as a killed client's end. */
  hangUp: () => void
  /** Takes a lock for a session that is not ours, and gives it back. */
  lockFor: (session: number | null) => void
}

type Pending = { session: number; before: XmlElement; timer: NodeJS.Timeout }

export async function startNetconfSwitch(
  model: Model,
  options: SimulatorOptions = {},
): Promise<NetconfSwitch> {
  const { chunks = true, startup = true, secondMs = 1_000 } = options
  const { username = 'leasehold', password = 'correct horse' } = options
  const faults: Faults = {}
  const counts: Counts = { logins: 0, writes: 0, saves: 0 }
  const operations: string[] = []
  const observers: ((seen: Seen) => void)[] = []
  const locks = new Map<string, number>()
  let pending: Pending | undefined
  const last = new Map<string, string>()
  const first = model.factory()
  const box: Box = {
    model,
    running: first,
    candidate: first,
    startup: first,
    history: [{ config: first, log: '', comment: '' }],
    commit,
  }

  function put(config: XmlElement, log = '', comment = ''): void {
    box.running = config
    box.history.unshift({ config, log, comment })
    box.history.splice(50)
    for (const port of model.ports) {
      const seen = model.seen(config, port)
      const text = JSON.stringify(seen)
      if (last.get(port) === text) continue
      last.set(port, text)
      for (const observer of observers) observer(seen)
    }
  }

  function commit({ session, timeoutMs, log = '' }: CommitOptions): void {
    const wrong = model.check(box.candidate)
    if (wrong !== null) throw wrong
    if (pending && pending.session !== session)
      throw { tag: 'in-use', message: 'a confirmed commit of another session waits' } satisfies Refusal
    const before = pending?.before ?? box.running
    clearTimeout(pending?.timer)
    pending = undefined
    const minutes = Math.round((timeoutMs ?? 0) / 60 / secondMs)
    put(box.candidate, log, timeoutMs === undefined ? '' : `commit confirmed, rollback in ${minutes}mins`)
    if (timeoutMs !== undefined) pending = { session, before, timer: setTimeout(undo, timeoutMs) }
  }

  function undo(): void {
    if (!pending) return
    clearTimeout(pending.timer)
    const { before } = pending
    pending = undefined
    put(before)
    box.candidate = before
  }

  function endSession(session: number): void {
    if (pending?.session === session && model.revertsAtSessionEnd) undo()
    if (locks.get('candidate') === session) box.candidate = box.running
    for (const [store, holder] of locks) if (holder === session) locks.delete(store)
  }

  async function handle(operation: XmlElement, session: number) {
    operations.push(operation.name)
    const config = find(operation, 'config')
    const port = config && model.portOf(config)
    const said: Said = {
      line: config ? showXml(config) : showXml(operation),
      context: port === undefined ? '' : `interface ${port}`,
    }
    if (faults.drop?.(said)) return null
    if (faults.hang?.(said)) return undefined
    const words = faults.refuse?.(said)
    if (words !== undefined) return [rpcError('operation-failed', words)]
    if (config) counts.writes++
    if (faults.ignore?.(said)) return [ok()]
    try {
      return (await carryOut(operation, session)) ?? [ok()]
    } catch (thrown) {
      const { tag, message, path } = thrown as Refusal
      return [rpcError(tag, message, path)]
    }
  }

  async function carryOut(
    operation: XmlElement,
    session: number,
  ): Promise<readonly XmlElement[] | undefined> {
    const store = find(operation, 'target')?.children[0]?.name ?? ''
    const mine = (name: string) => (locks.get(name) ?? session) === session
    switch (operation.name) {
      case 'lock':
        if (locks.has(store) || (store === 'running' && pending && pending.session !== session))
          throw {
            tag: 'lock-denied',
            message: `${store} is locked by session ${locks.get(store)}`,
          } satisfies Refusal
        if (store === 'candidate' && box.candidate !== box.running)
          throw { tag: 'lock-denied', message: 'configuration database modified' } satisfies Refusal
        locks.set(store, session)
        return undefined
      case 'unlock':
        if (locks.get(store) !== session)
          throw { tag: 'operation-failed', message: `${store} is not locked` } satisfies Refusal
        locks.delete(store)
        return undefined
      case 'edit-config': {
        if (!mine('candidate')) throw { tag: 'in-use', message: 'candidate is locked' } satisfies Refusal
        const change = find(operation, 'config') as XmlElement
        const wrong = model.checkEdit(change)
        if (wrong !== null) throw wrong
        box.candidate = edit(box.candidate, change, model)
        return undefined
      }
      case 'discard-changes':
        box.candidate = box.running
        return undefined
      case 'validate': {
        const wrong = model.check(box.candidate)
        if (wrong !== null) throw wrong
        return undefined
      }
      case 'commit': {
        const seconds = find(operation, 'confirmed') && Number(textAt(operation, 'confirm-timeout') ?? 600)
        commit({ session, timeoutMs: seconds === undefined ? undefined : seconds * secondMs })
        return undefined
      }
      case 'cancel-commit':
        if (pending?.session !== session)
          throw { tag: 'invalid-value', message: 'no confirmed commit of this session' } satisfies Refusal
        undo()
        return undefined
      case 'copy-config':
        await sleep(faults.saveDelayMs ?? 0)
        if (faults.failSave)
          throw { tag: 'resource-denied', message: 'no space left on flash' } satisfies Refusal
        counts.saves++
        box.startup = box.running
        return undefined
      case 'get':
      case 'get-config':
        return [element(netconfNamespace, 'data', box.running.children)]
      default: {
        const answer = model.rpc(operation, box, session)
        if (answer === undefined)
          throw { tag: 'operation-not-supported', message: operation.name } satisfies Refusal
        return answer
      }
    }
  }

  const server = await startNetconfServer({
    username,
    password,
    faults,
    counts,
    chunks,
    capabilities: [
      ...model.capabilities,
      ...(startup ? ['urn:ietf:params:netconf:capability:startup:1.0'] : []),
    ],
    handle,
    onSessionEnd: endSession,
  })
  put(first)
  const saves = startup && model.capabilities.length > 0
  const target = (overrides: Partial<SwitchTarget> = {}): SwitchTarget => ({
    driver: model.driver,
    address: '127.0.0.1',
    port: server.port,
    username,
    password,
    settings: model.settings,
    trust: { hostKeys: [server.hostKey] },
    ...overrides,
  })
  return {
    box,
    operations,
    faults,
    counts,
    target,
    ports: model.ports.filter((port) => port !== model.protectedPort),
    protectedPort: model.protectedPort,
    config: () => showConfig(box.running),
    saved: () => showConfig(saves ? box.startup : (pending?.before ?? box.running)),
    makeDirty: (port, dirt) => {
      const config = model.dirty(box.running, port, dirt)
      if (box.candidate === box.running) box.candidate = config
      put(config)
      box.candidate = config
    },
    isAbout: model.isAbout,
    onPortState: (observer) => {
      observers.push(observer)
    },
    seen: (port) => model.seen(box.running, port),
    hangUp: server.hangUp,
    lockFor: (session) => {
      if (session === null) locks.clear()
      else locks.set('candidate', session)
    },
    close: async () => {
      clearTimeout(pending?.timer)
      await server.close()
    },
  }
}

/** Equal configurations as equal text: the order of what is in it does not count. */
function showConfig(config: XmlElement): string {
  const sorted = (one: XmlElement): XmlElement => ({
    ...one,
    children: one.children.map(sorted).sort((a, b) => (showXml(a) < showXml(b) ? -1 : 1)),
  })
  return showXml(sorted(config)).replaceAll('><', '>\n<')
}
