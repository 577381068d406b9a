/** Everybody at one console: many watch, one writes; nobody slows another down. */
import { randomUUID } from 'node:crypto'
import { LeaseholdError } from '../errors.ts'
import { createGatherer } from './gather.ts'
import { createPace } from './pace.ts'
import type {
  Attachment,
  AttachOptions,
  Control,
  Ending,
  LineStatus,
  Mode,
  Request,
  Sink,
  Visitor,
  WatcherView,
} from './types.ts'

/** What a hub needs of the console it belongs to. */
export interface HubDeps {
  node(): { uuid: string; name: string | null }
  status(): LineStatus
  powerState(): string | null
  /** Whether a visitor may know how the machine is reached, and so why it is not. */
  mayKnow(visitor: Visitor): boolean
  /** Of what a watcher may see: the first offset of the span, or of what is left of it; and the end. */
  extent(): { start: number; end: number }
  /** The journal's bytes at an offset, `most` at most; or a gap there. Never nothing before the end. */
  read(offset: number, most: number): Promise<Chunk>
  /** Keys for the machine: false when there is no room for them. */
  write(bytes: Buffer): boolean
  /** False when the line has no break, or is not up. */
  sendBreak(): boolean
  /** Whether a visitor may do that here, now. */
  allows(visitor: Visitor, mode: Mode): boolean
  record(visitor: Visitor, what: string): void
  limits: { watchers: number; scrollbackBytes: number }
}

export type Chunk = { bytes: Buffer } | { gap: { to: number; reason: string } }

export interface Hub {
  /** @throws LeaseholdError 'forbidden' naming the rule; 'too-many' when it is full. */
  attach(visitor: Visitor, options: AttachOptions, sink: Sink): Attachment
  /** Bytes that the journal has just taken at `offset`. */
  deliver(offset: number, bytes: Buffer): void
  tell(message: Control): void
  /** The line's state has changed. */
  tellState(): void
  /** Who is somewhere between these offsets goes on at the second; who is behind still gets there by itself. */
  passOver(from: number, to: number, reason: string): void
  /** The line takes keys again. */
  writable(): void
  /** Cuts those for whom there is an ending, and takes the keyboard from who may no longer type. */
  judge(endingOf: (visitor: Visitor) => Ending | undefined): void
  visitors(): Iterable<Visitor>
  views(): WatcherView[]
  /** Sends one watcher away; false when there is none of that id. */
  expel(id: string): boolean
  readonly size: number
}

interface Watcher {
  readonly id: string
  readonly visitor: Visitor
  readonly since: string
  readonly sink: Sink
  /** Offset of the next byte for it. */
  next: number
  /** Its sink takes bytes. */
  ready: boolean
  /** It is being given what the journal has; live bytes pass it by. */
  catchingUp: boolean
  /** Whether it has not asked for things too often. */
  readonly inTime: () => boolean
  /** Would like to write, and gets to when the writer leaves. */
  wants: boolean
  gone: boolean
}

/** How much of the journal is read at once for a watcher that lags. */
const chunkBytes = 64 * 1024
/** A writer who has not typed for so long may be relieved by `take`. */
const idleMs = 10_000

/** What a watcher may ask for beside its keys: so much a second, and at once. */
const asksPerSecond = 10
const asksAtOnce = 20

/** Watchers of a machine that prints without a pause are told so often. */
const gatherMs = 8

export function createHub(deps: HubDeps): Hub {
  const watchers = new Map<string, Watcher>()
  let writer: Watcher | undefined
  /** Who is on record as the one who types. */
  let recorded: Visitor | undefined
  let typedAtMs = Number.NEGATIVE_INFINITY

  const views = (): WatcherView[] => [...watchers.values()].map((each) => viewOf(each, each === writer))
  const tell = (message: Control) => {
    gathered.flush()
    for (const each of watchers.values()) each.sink.control(message)
  }

  const reasonFor = ({ visitor }: Watcher): string | null => {
    const { reason, plainReason } = deps.status()
    return deps.mayKnow(visitor) ? reason : plainReason
  }

  /** Keyboards may go to and fro; a new person at it is worth a record. */
  const recordWriter = ({ visitor }: Watcher, how: Mode) => {
    if (recorded && isSamePerson(recorded, visitor)) return
    recorded = visitor
    if (how !== 'write') deps.record(visitor, how)
    deps.record(visitor, 'write')
  }

  const giveKeyboard = (to: Watcher | undefined, why: string, how: Mode = 'write') => {
    const before = writer
    if (before === to) return
    writer = to
    typedAtMs = performance.now()
    if (before && !before.gone) before.sink.control({ type: 'mode', mode: 'read', reason: why })
    to?.sink.control({ type: 'mode', mode: 'write', reason: why })
    if (!to) return
    to.wants = false
    recordWriter(to, how)
  }

  /** What a visitor may not do of what a mode takes: all look on, and all but readers type. */
  const refusedBy = (visitor: Visitor, mode: Mode): Mode | undefined =>
    (mode === 'read' ? ['read' as const] : ['read' as const, mode, 'write' as const]).find(
      (each) => !deps.allows(visitor, each),
    )

  /** The keyboard passes to the first who waits for it and may have it. */
  const handOn = (why: string, whyNext: string) => {
    giveKeyboard(undefined, why)
    const next = watchers.values().find((each) => each.wants && deps.allows(each.visitor, 'write'))
    giveKeyboard(next, whyNext)
  }

  /** Gives the keyboard to a watcher if it may have it in that way. */
  const seek = (watcher: Watcher, mode: Exclude<Mode, 'read'>, quiet: boolean): void => {
    if (writer === watcher) return
    const name = watcher.visitor.caller.userName ?? 'somebody'
    const holder = writer
    const relieves =
      holder === undefined ||
      mode === 'force' ||
      (mode === 'take' &&
        (performance.now() - typedAtMs > idleMs || isSameUser(holder.visitor, watcher.visitor)))
    if (relieves) {
      if (holder) giveKeyboard(watcher, `${name} has taken the keyboard`, mode)
      else giveKeyboard(watcher, 'nobody else is typing')
      return
    }
    watcher.wants = true
    const whose = holder.visitor.caller.userName ?? 'somebody'
    const how =
      mode === 'take' ? `until it is idle for ${idleMs / 1000} s; force takes it now` : 'take asks for it'
    const reason = `${whose} has the keyboard; ${how}`
    watcher.sink.control(quiet ? { type: 'mode', mode: 'read', reason } : { type: 'error', error: reason })
  }

  const leave = (watcher: Watcher) => {
    if (watcher.gone) return
    watcher.gone = true
    watchers.delete(watcher.id)
    deps.record(watcher.visitor, 'leave')
    if (recorded === watcher.visitor) recorded = undefined
    if (writer === watcher) handOn('', 'the one who typed has left')
    tell({ type: 'watchers', watchers: views() })
  }

  const cut = (watcher: Watcher, ending: Ending) => {
    if (watcher.gone) return
    leave(watcher)
    watcher.sink.ended(ending)
  }

  const catchUp = async (watcher: Watcher): Promise<void> => {
    if (watcher.catchingUp) return
    watcher.catchingUp = true
    try {
      while (watcher.ready && !watcher.gone && watcher.next < deps.extent().end) {
        const from = watcher.next
        const chunk = await deps.read(from, chunkBytes)
        if (watcher.gone) return
        // Passed over in the meantime.
        if (watcher.next !== from) continue
        if ('gap' in chunk) {
          const { to, reason } = chunk.gap
          watcher.next = to
          watcher.sink.control({ type: 'gap', from, to, reason })
        } else give(watcher, from, chunk.bytes)
      }
    } finally {
      watcher.catchingUp = false
    }
  }

  const give = (watcher: Watcher, offset: number, bytes: Buffer) => {
    watcher.next = offset + bytes.length
    if (!watcher.sink.bytes(offset, bytes)) watcher.ready = false
  }

  const gathered = createGatherer(gatherMs, (offset, bytes) => {
    for (const watcher of watchers.values()) {
      // Who has just caught up with the journal may have some of it.
      const known = watcher.next - offset
      if (watcher.ready && !watcher.catchingUp && known >= 0 && known < bytes.length)
        give(watcher, watcher.next, known === 0 ? bytes : bytes.subarray(known))
    }
  })

  const requests: {
    [Type in Request['type']]: (watcher: Watcher, request: Extract<Request, { type: Type }>) => void
  } = {
    break: (watcher) => {
      if (watcher !== writer)
        return watcher.sink.control({ type: 'error', error: 'only who types may send a break' })
      if (!deps.sendBreak())
        watcher.sink.control({ type: 'error', error: 'no break was sent: the line is down, or has none' })
    },
    write: (watcher) => ask(watcher, 'write'),
    take: (watcher) => ask(watcher, 'take'),
    force: (watcher) => ask(watcher, 'force'),
    release: (watcher) => {
      watcher.wants = false
      if (watcher !== writer) return
      handOn('given up', 'the one who typed has given it up')
      tell({ type: 'watchers', watchers: views() })
    },
    resize: (watcher, { columns, rows }) => tell({ type: 'resize', columns, rows, by: watcher.id }),
    ping: (watcher) => watcher.sink.control({ type: 'pong', offset: watcher.next }),
  }

  const ask = (watcher: Watcher, mode: Exclude<Mode, 'read'>) => {
    const refused = refusedBy(watcher.visitor, mode)
    if (refused) return watcher.sink.control({ type: 'error', error: deniedText(refused) })
    seek(watcher, mode, false)
    tell({ type: 'watchers', watchers: views() })
  }

  return {
    attach(visitor, options, sink) {
      const refused = refusedBy(visitor, options.mode)
      if (refused) throw new LeaseholdError('forbidden', deniedText(refused))
      if (watchers.size >= deps.limits.watchers)
        throw new LeaseholdError(
          'too-many',
          `Console of node ${deps.node().uuid} has ${watchers.size} watchers, as many as it may; try again when one has left.`,
        )
      const { start, end } = deps.extent()
      const wanted = options.offset ?? end - (options.scrollbackBytes ?? deps.limits.scrollbackBytes)
      const watcher: Watcher = {
        id: randomUUID(),
        visitor,
        since: new Date().toISOString(),
        sink,
        next: Math.min(end, Math.max(start, wanted)),
        ready: true,
        catchingUp: false,
        inTime: createPace(asksPerSecond, asksAtOnce),
        wants: false,
        gone: false,
      }
      watchers.set(watcher.id, watcher)
      deps.record(visitor, 'watch')
      if (options.mode !== 'read' && writer === undefined) {
        // Told in the greeting.
        writer = watcher
        typedAtMs = performance.now()
        recordWriter(watcher, 'write')
      }
      const { state } = deps.status()
      sink.control({
        type: 'hello',
        node: deps.node(),
        watcher: watcher.id,
        mode: writer === watcher ? 'write' : 'read',
        offset: watcher.next,
        start,
        end,
        state,
        reason: reasonFor(watcher),
        power_state: deps.powerState(),
        watchers: views(),
      })
      if (options.offset !== undefined && options.offset < start)
        sink.control({ type: 'gap', from: options.offset, to: start, reason: 'no longer kept, or not yours' })
      if (options.mode !== 'read') seek(watcher, options.mode, true)
      for (const each of watchers.values())
        if (each !== watcher) each.sink.control({ type: 'watchers', watchers: views() })
      void catchUp(watcher)
      return {
        node: deps.node(),
        write(bytes) {
          if (watcher.gone || watcher !== writer) return true
          typedAtMs = performance.now()
          return deps.write(bytes)
        },
        request(request) {
          if (watcher.gone) return
          if (watcher.inTime()) requests[request.type](watcher, request as never)
          else
            sink.control({ type: 'error', error: `asked too often: ${asksPerSecond} times a second at most` })
        },
        drained() {
          if (watcher.ready || watcher.gone) return
          watcher.ready = true
          void catchUp(watcher)
        },
        close: () => leave(watcher),
      }
    },
    deliver(offset, bytes) {
      if (watchers.size > 0) gathered.add(offset, bytes)
    },
    tell,
    tellState() {
      gathered.flush()
      const { state, since } = deps.status()
      for (const each of watchers.values())
        each.sink.control({ type: 'state', state, reason: reasonFor(each), at: since.toISOString() })
    },
    passOver(from, to, reason) {
      gathered.flush()
      for (const watcher of watchers.values()) {
        if (watcher.next >= from && watcher.next < to) {
          watcher.sink.control({ type: 'gap', from: watcher.next, to, reason })
          watcher.next = to
        }
        void catchUp(watcher)
      }
    },
    writable: () => writer?.sink.writable(),
    judge(endingOf) {
      gathered.flush()
      for (const watcher of [...watchers.values()]) {
        const ending = endingOf(watcher.visitor)
        if (ending) cut(watcher, ending)
      }
      if (writer === undefined || deps.allows(writer.visitor, 'write')) return
      handOn('the right to type here is gone', 'the one who typed may no longer')
      tell({ type: 'watchers', watchers: views() })
    },
    *visitors() {
      for (const watcher of watchers.values()) yield watcher.visitor
    },
    views,
    expel(id) {
      const watcher = watchers.get(id)
      if (watcher) cut(watcher, 'expelled')
      return watcher !== undefined
    },
    get size() {
      return watchers.size
    },
  }
}

/** The rule that a mode asks, in Ironic's words for one that does not hold. */
const deniedText = (mode: Mode): string =>
  `Access was denied to the following resource: leasehold:console:${mode}`

/** Those who come by TCP cannot be told apart: Nova's users may all come by its proxy, and so may one who came before. */
const isSameUser = (left: Visitor, right: Visitor): boolean =>
  left.proof.kind === 'source' || right.proof.kind === 'source'
    ? left.proof.kind === right.proof.kind
    : left.caller.userId !== null &&
      left.caller.userId === right.caller.userId &&
      left.caller.projectId === right.caller.projectId

/** As far as the audit can tell them apart. */
const isSamePerson = ({ caller: one }: Visitor, { caller: other }: Visitor): boolean =>
  one.userId === other.userId && one.userName === other.userName && one.projectId === other.projectId

const viewOf = (watcher: Watcher, writes: boolean): WatcherView => ({
  id: watcher.id,
  user: watcher.visitor.caller.userName,
  project: watcher.visitor.caller.projectName,
  mode: writes ? 'write' : 'read',
  door: watcher.visitor.door,
  since: watcher.since,
})
