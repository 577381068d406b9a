/** One console that this process keeps: its line, its journal, its watchers, and the wall between tenants. */
import type { Logger } from 'pino'
import type { Line, LineEvents } from '../hardware/index.ts'
import type { Held, Noted, Span } from './consoles.sql.ts'
import { mostUnnotedBytes } from './holders.sql.ts'
import { createHub, type Hub, type HubDeps } from './hub.ts'
import {
  extent,
  type Journal,
  journalDirectory,
  type Limits,
  type Mark,
  openJournal,
  readJournal,
} from './journal/index.ts'
import { type Supervisor, superviseLine } from './supervisor.ts'
import type { Ending, LineStatus, Mode, Visitor } from './types.ts'

export interface KeptDeps {
  held: Held
  /** Where its present span begins though the database does not know it yet. */
  wallAt: number | undefined
  journalRoot: string
  limits: Limits
  log: Logger
  /** Opens the line of the node as it is now. */
  open(remembered: Held['remembered'], events: LineEvents, signal: AbortSignal): Promise<Line>
  openTimeoutMs: number
  /** Whether this process surely still holds the console. */
  alive(): boolean
  allows(visitor: Visitor, mode: Mode, span: Span): boolean
  record(visitor: Visitor, what: string, node: Held): void
  /** Whether a visitor may see why a machine cannot be reached. */
  mayKnow(visitor: Visitor, span: Span): boolean
  hub: HubDeps['limits']
  /** How long after a change of hands nobody is shown what the line brings, milliseconds. */
  settleMs: number
  /** A wall stands that is to be written down. */
  built(): void
  /** There is something to write down. */
  changed(): void
  /** The same; settled when it is written down, or could not be. */
  noted(): Promise<void>
}

export interface Kept {
  readonly held: Held
  readonly hub: Hub
  readonly status: LineStatus
  /** Where its TCP door is; `trouble`: why there is none. */
  setTcpDoor(door: { url: string } | { trouble: string }): void
  /** Takes in what has changed about the node. */
  update(held: Held): void
  /** Walls that are built here and not yet in the database: span by offset. */
  readonly walls: ReadonlyMap<string, number>
  wallStands(spanId: string): void
  /** What is to be written down, if it has changed since. */
  note(): Noted | undefined
  /** It is written down. */
  noted(note: Noted): void
  /** It could not be written down. */
  noteAgain(): void
  /** Cuts everybody, lets go of the line, closes the journal. */
  close(ending: Ending): Promise<void>
}

/** More than a serial line says between two notes of its journal's end: with more unnoted it is noted at once. */
const unnotedBytes = 64 * 1024

export function keepConsole(deps: KeptDeps): Kept {
  const directory = journalDirectory(deps.journalRoot, deps.held.journal)
  const { endOffset } = deps.held
  // What was recorded after the last note, and lost with the power, must not have its offsets given again.
  const unnoted = extent(directory).end < endOffset ? unnotedBytes : 0
  const journal: Journal = openJournal({
    directory,
    fence: deps.held.fence,
    // Never behind a wall, whatever the disk has lost.
    minimumOffset: Math.max(endOffset + unnoted, deps.held.span.start ?? 0),
    limits: deps.limits,
  })
  const walls = new Map<string, number>()
  /** Where the present span begins, known here before the database knows it. */
  let start = deps.held.span.start ?? deps.wallAt ?? journal.end
  let held = deps.held
  let remembered = held.remembered
  let tcpDoor: { url?: string; trouble?: string } = {}
  let dirty = true
  let notedEnd = endOffset

  /**
   * The node has changed hands, and what its line brings may be what it printed before that: a BMC keeps some, and a
   * network, too. Until it has settled nobody is shown anything; it stays on the former side of the wall.
   */
  let settling: 'until the line is up' | NodeJS.Timeout | undefined
  let unsettledFrom = journal.end

  /** The first offset that tenants of the present span may see. */
  const spanStart = () => (settling ? journal.end : Math.max(start, journal.start))
  const changed = () => {
    dirty = true
    deps.changed()
  }

  const hub = createHub({
    node: () => held.node,
    status: () => supervisor.status,
    powerState: () => held.powerState,
    mayKnow: (visitor) => deps.mayKnow(visitor, held.span),
    extent: () => ({ start: spanStart(), end: journal.end }),
    read: (offset, most) => readAt(directory, offset, Math.min(offset + most, journal.end)),
    write: (bytes) => !deps.alive() || supervisor.write(bytes),
    sendBreak: () => supervisor.sendBreak(),
    allows: (visitor, mode) => deps.allows(visitor, mode, held.span),
    record: (visitor, what) => deps.record(visitor, what, held),
    limits: deps.hub,
  })

  let recording = true
  /** Says in the log when the disk begins to refuse, and when it no longer does. */
  const tellRecording = () => {
    if (journal.recording === recording) return
    recording = journal.recording
    const where = { node: held.node.uuid, offset: journal.end }
    if (recording) deps.log.info(where, 'the console is recorded again; its journal says what is missing')
    else
      deps.log.error({ ...where, reason: journal.refusal }, 'the console is not recorded: the disk refuses')
  }
  const mark = (said: Mark): number => {
    const offset = journal.mark(said)
    tellRecording()
    return offset
  }
  const happened = (event: string) => {
    mark({ kind: 'event', event })
    hub.tell({ type: 'event', event, at: new Date().toISOString() })
  }

  const supervisor: Supervisor = superviseLine({
    open: (events, signal) => deps.open(remembered, events, signal),
    openTimeoutMs: deps.openTimeoutMs,
    data(bytes) {
      if (!deps.alive()) throw new Error('this process no longer holds the console')
      const unnoted = journal.end + bytes.length - notedEnd
      // Another holder, with another disk, begins there.
      if (unnoted > mostUnnotedBytes)
        throw new Error('the database does not take down how far the journal goes')
      const offset = journal.append(bytes)
      tellRecording()
      dirty = true
      if (unnoted > unnotedBytes / 2) deps.changed()
      if (!settling) hub.deliver(offset, bytes)
    },
    remember(session) {
      remembered = session
      dirty = true
      return deps.noted()
    },
    noted: happened,
    writable: () => hub.writable(),
    changed(status, before) {
      changed()
      const { state, plainReason } = status
      hub.tellState()
      if (state === 'up' && settling) settle()
      // A console that has never said anything keeps costing nothing.
      if (state === 'up' && journal.end > 0) mark({ kind: 'line', state: 'up' })
      if (before.state === 'up')
        mark({ kind: 'line', state: 'lost', ...(plainReason ? { reason: plainReason } : {}) })
    },
  })

  /** The wall stands from here on. */
  const build = () => {
    settling = undefined
    start = mark({ kind: 'wall', span: held.span.id })
    walls.set(held.span.id, start)
    hub.passOver(unsettledFrom, start, 'the node changed hands')
    hub.tell({ type: 'wall', offset: start, at: new Date().toISOString() })
    deps.built()
    deps.log.info({ node: held.node.uuid, offset: start }, 'the console has changed hands')
  }
  const settle = () => {
    if (typeof settling === 'object') clearTimeout(settling)
    if (deps.settleMs === 0) return build()
    settling = supervisor.status.state === 'up' ? setTimeout(build, deps.settleMs) : 'until the line is up'
  }

  /** Another tenancy begins. Whoever may not see it is cut before another byte comes. */
  const changeHands = (span: Span) => {
    held = { ...held, span }
    if (!settling) unsettledFrom = journal.end
    hub.judge((visitor) => {
      if (visitor.proof.kind === 'source') return 'lease-ended'
      return deps.allows(visitor, 'read', span) ? undefined : 'lease-ended'
    })
    settle()
  }

  if (held.span.start === null) {
    // A first tenancy has nothing before it.
    if (held.isFirst || deps.wallAt !== undefined) walls.set(held.span.id, start)
    else settle()
  }

  return {
    get held() {
      return held
    },
    hub,
    get status() {
      return supervisor.status
    },
    setTcpDoor(door) {
      tcpDoor = door
      changed()
    },
    update(next) {
      const before = held
      if (next.span.id !== before.span.id) changeHands(next.span)
      held = next
      if (next.targetPowerState !== before.targetPowerState && next.targetPowerState)
        happened(`asked for ${next.targetPowerState}`)
      // A reboot ends as it began: that it is done is told all the same.
      const isDone = before.targetPowerState !== null && next.targetPowerState === null
      if (next.powerState && (isDone || next.powerState !== before.powerState)) happened(next.powerState)
      if (next.provisionState !== before.provisionState) happened(`provision state ${next.provisionState}`)
      if (next.access !== before.access) supervisor.reopen('the way to the machine has changed')
    },
    walls,
    wallStands: (spanId) => void walls.delete(spanId),
    noted(note) {
      notedEnd = Math.max(notedEnd, note.end)
    },
    noteAgain() {
      dirty = true
    },
    note() {
      if (!dirty) return undefined
      dirty = false
      const { state, reason, plainReason, since } = supervisor.status
      return {
        nodeUuid: held.node.uuid,
        fence: held.fence,
        state,
        reason,
        plainReason,
        since,
        end: journal.end,
        tcpUrl: tcpDoor.url ?? null,
        tcpTrouble: tcpDoor.trouble ?? null,
        remembered,
      }
    },
    async close(ending) {
      if (typeof settling === 'object') clearTimeout(settling)
      hub.judge(() => ending)
      await supervisor.close()
      journal.close()
    },
  }
}

/** The next bytes from an offset on, or the gap there: what is between two marks. */
async function readAt(
  directory: string,
  from: number,
  to: number,
): Promise<{ bytes: Buffer } | { gap: { to: number; reason: string } }> {
  const parts: Buffer[] = []
  let next = from
  for await (const entry of readJournal(directory, { from, to })) {
    if (entry.bytes) {
      parts.push(entry.bytes)
      next += entry.bytes.length
      continue
    }
    if (entry.mark.kind !== 'gap') continue
    if (parts.length > 0) break
    return { gap: { to: Number(entry.mark.to), reason: String(entry.mark.reason) } }
  }
  // What the disk does not give though it should: a gap, so that nobody waits for it for ever.
  return next > from ? { bytes: Buffer.concat(parts) } : { gap: { to, reason: 'not recorded' } }
}
