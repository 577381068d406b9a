/** Keeps the consoles that are this process's to keep: takes free ones, follows their nodes, gives up what it must. */
import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { consoleTarget, nodeTarget, type Policy } from '../access/index.ts'
import type { Config } from '../config.ts'
import { LeaseholdError } from '../errors.ts'
import type { Hardware } from '../hardware/index.ts'
import type { Db } from '../store/index.ts'
import { type Held, heldConsoles, noteConsoles, type Span } from './consoles.sql.ts'
import { diskOf } from './disk.ts'
import { type HolderLink, holdLink } from './holder-link.ts'
import { enterHolder, giveUp, type Holder, leaveHolder, purgeHolders, takeFree } from './holders.sql.ts'
import { createJournals } from './journals.ts'
import { createJudge } from './judge.ts'
import { type Kept, keepConsole } from './kept.ts'
import { createNodeReader } from './node-reader.ts'
import { createNoter } from './noter.ts'
import type { RecheckDeps } from './recheck.ts'
import { purgeTickets } from './tickets.sql.ts'
import type { Ending, Mode, Visitor } from './types.ts'
import { visitRecorder } from './visits.ts'
import { createWalls } from './walls.ts'

export interface KeeperDeps extends RecheckDeps {
  db: Db
  databaseUrl: string
  hardware: Hardware
  policy: Policy
  config: Config
  log: Logger
  /** What to do when a console is kept from now on, or no longer: TCP doors. */
  onKept?(kept: Kept): void
  onDropped?(kept: Kept): void
}

export interface Keeper {
  start(url: string): Promise<void>
  stop(): Promise<void>
  /** Whether a holder's id is this process's. */
  isSelf(id: string): boolean
  /** The console of a node, if it is kept here. */
  get(nodeUuid: string): Kept | undefined
  /** The same, after its row has been read again. */
  getFresh(nodeUuid: string): Promise<Kept | undefined>
  all(): Iterable<Kept>
  readonly journalRoot: string
}

/** How often free consoles are looked for, milliseconds. */
const takeEveryMs = 1_000
/** A console that has just been switched on is taken so soon, with those switched on in the same moment. */
const takeSoonMs = 20
/** How often everything that is kept is read again: changes are told of at once, this is for what went unheard. */
const refreshEveryMs = 5_000
const noteEveryMs = 1_000
const choresEveryMs = 60_000
/** Within a second of a token's end its watcher is gone. */
const recheckEveryMs = 400
/** A console that its preferred holder does not take is anybody's. */
const graceMs = 3_000
const takenAtOnce = 2_000
/** A driver asks a silent machine for so long, again and again, before it gives up one try. */
const openTimeoutMs = 15_000

export function createKeeper(deps: KeeperDeps): Keeper {
  const { db, config, hardware, policy } = deps
  const log = deps.log.child({ room: 'console' })
  const journals = createJournals({ ...deps, log })
  const record = visitRecorder(db, log)
  const readNode = createNodeReader(db)
  const kept = new Map<string, Kept>()
  let holder: Holder | undefined
  let link: HolderLink | undefined
  let stopping = false
  const noter = createNoter({ db, log, holder: () => holder?.id, consoles: () => kept.values() })
  const walls = createWalls({ db, log, journals, holder: () => holder?.id, consoles: () => kept.values() })
  /** Nodes that have changed since they were last read. */
  const stale = new Set<string>()

  const allows = (visitor: Visitor, mode: Mode, span: Span): boolean =>
    visitor.proof.kind === 'source' ||
    policy.allows(`leasehold:console:${mode}`, visitor.caller, consoleTarget(span))

  const openLine = async (
    nodeUuid: string,
    ...[remembered, events, signal]: Parameters<Parameters<typeof keepConsole>[0]['open']>
  ) => {
    await closing.get(nodeUuid)
    const node = await readNode(nodeUuid)
    if (!node) throw new LeaseholdError('not-found', 'the node is gone')
    const implementation = hardware.implementation(node, 'console')
    if (!implementation.open)
      throw new LeaseholdError(
        'invalid',
        `console_interface ${implementation.name} has no serial line; set another one.`,
      )
    implementation.validate(node)
    return implementation.open(node, events, {
      signal,
      whenTaken: config['console.when_taken'],
      keepAliveMs: config['console.keep_alive_ms'],
      remembered,
    })
  }

  const keep = (held: Held, wallAt: number | undefined): Kept => {
    const one = keepConsole({
      held,
      wallAt,
      journalRoot: journals.root,
      limits: journals.limits,
      log,
      open: (...args) => openLine(held.node.uuid, ...args),
      openTimeoutMs,
      alive: () => link?.alive() ?? false,
      allows,
      record,
      mayKnow: ({ caller }, span) => policy.allows('baremetal:node:get:last_error', caller, nodeTarget(span)),
      hub: {
        watchers: config['console.max_watchers'],
        scrollbackBytes: config['console.scrollback_kb'] * 1024,
      },
      settleMs: config['console.settle_ms'],
      built: walls.settleSoon,
      changed: noter.soon,
      noted: noter.settled,
    })
    kept.set(held.node.uuid, one)
    deps.onKept?.(one)
    return one
  }

  /** Lines that are being given back: the same machine's next line waits for it. */
  const closing = new Map<string, Promise<void>>()
  const drop = (one: Kept, ending: Ending): Promise<void> => {
    const { uuid } = one.held.node
    if (kept.get(uuid) === one) kept.delete(uuid)
    deps.onDropped?.(one)
    const closed = Promise.all([closing.get(uuid), one.close(ending)])
      .catch((error: unknown) => log.error({ err: error, node: uuid }, 'a console did not close cleanly'))
      .then(() => {
        if (closing.get(uuid) === closed) closing.delete(uuid)
      })
    closing.set(uuid, closed)
    return closed
  }

  /** Reads what is held, all or some nodes, and brings what is kept into line with it. */
  const refresh = async (nodeUuids?: readonly string[]): Promise<void> => {
    if (!holder || stopping) return
    const { id } = holder
    const rows = await heldConsoles(db, id, nodeUuids)
    if (id !== holder?.id || !link?.alive()) return
    // Walls and cuts first: nothing that takes long comes before them.
    const fresh: Held[] = []
    for (const held of rows.values()) {
      const one = kept.get(held.node.uuid)
      if (one && one.held.fence === held.fence) one.update(held)
      else if (!isOverdue(held)) fresh.push(held)
    }
    for (const uuid of nodeUuids ?? [...kept.keys()]) {
      const one = kept.get(uuid)
      const held = rows.get(uuid)
      if (one && one.held.fence !== held?.fence)
        void drop(one, 'unavailable').then(() => journals.forget(one.held.journal))
    }
    for (const held of rows.values()) if (isOverdue(held)) void switchOff(id, held)
    const standing = await Promise.all(fresh.map(walls.find))
    if (id !== holder?.id) return
    for (const [index, held] of fresh.entries()) if (!kept.has(held.node.uuid)) keep(held, standing[index])
    await walls.settle()
  }
  const lingerMs = config['console.off_linger_seconds'] * 1000
  const isOverdue = ({ offAt }: Held): boolean => offAt !== null && Date.now() - offAt.getTime() > lingerMs

  /** The line of a console that has been off for long is given back, and then the console is nobody's. */
  const switchOff = async (holderId: string, { node, fence }: Held): Promise<void> => {
    const one = kept.get(node.uuid)
    await (one ? drop(one, 'disabled') : closing.get(node.uuid))
    await giveUp(db, holderId, { nodeUuid: node.uuid, fence }).catch((error: unknown) =>
      log.warn({ err: error, node: node.uuid }, 'a console could not be given up; tried again'),
    )
  }

  /** One reading at a time: an older one never comes after a newer one. */
  let reading: Promise<void> = Promise.resolve()
  const refreshInTurn = (nodeUuids?: readonly string[]): Promise<void> => {
    const turn = reading.then(() => refresh(nodeUuids))
    reading = turn.catch((error: unknown) =>
      log.warn({ err: error }, 'consoles could not be read; tried again'),
    )
    return turn
  }

  const onChange = (nodeUuid: string) => {
    if (!kept.has(nodeUuid)) {
      takeTimer ??= setTimeout(() => {
        takeTimer = undefined
        void take()
      }, takeSoonMs)
      return
    }
    if (stale.size === 0)
      setImmediate(() => {
        const uuids = [...stale]
        stale.clear()
        refreshInTurn(uuids).catch(() => {})
      })
    stale.add(nodeUuid)
  }

  let takeTimer: NodeJS.Timeout | undefined
  let taking = false
  const take = async (): Promise<void> => {
    if (taking || stopping || !holder || !link?.alive()) return
    taking = true
    try {
      const taken = await takeFree(db, holder, { graceMs, most: takenAtOnce })
      if (taken.length > 0) await refreshInTurn(taken.map(({ nodeUuid }) => nodeUuid))
    } catch (error) {
      log.warn({ err: error }, 'free consoles could not be taken; tried again')
    } finally {
      taking = false
    }
  }

  const dropAll = async (ending: Ending): Promise<void> => {
    for (const one of [...kept.values()]) void drop(one, ending)
    await Promise.all(closing.values())
  }

  const enter = async (url: string): Promise<void> => {
    const entered: Holder = {
      id: randomUUID(),
      hostname: config['conductor.host'],
      conductorGroup: config['conductor.group'],
      drivers: [...hardware.types.keys()],
      url: config['console.internal_url'] ?? reachable(url, config['conductor.host']),
      disk: await diskOf(journals.root),
    }
    await enterHolder(db, entered)
    holder = entered
    link = holdLink({
      databaseUrl: deps.databaseUrl,
      holder: entered.id,
      log,
      onChange,
      onConnected: () => {
        refreshInTurn().catch(() => {})
        void take()
      },
      onLost: () => {
        holder = undefined
        void dropAll('unavailable')
          .then(() => link?.close())
          .then(() => reenter(url))
      },
    })
  }
  /** Comes back under a new id: what the old one held may be another's by now. */
  const reenter = async (url: string): Promise<void> => {
    while (!stopping) {
      try {
        return await enter(url)
      } catch (error) {
        log.warn({ err: error }, 'consoles are not kept here yet; tried again')
        await new Promise((resolve) => setTimeout(resolve, 1_000))
      }
    }
  }

  const timers: NodeJS.Timeout[] = []
  const every = (ms: number, what: string, work: () => Promise<unknown>) => {
    let busy = false
    timers.push(
      setInterval(() => {
        if (busy) return
        busy = true
        work()
          .catch((error: unknown) => log.warn({ err: error }, `${what} failed; tried again`))
          .finally(() => {
            busy = false
          })
      }, ms),
    )
  }

  return {
    journalRoot: journals.root,
    async start(url) {
      await enter(url)
      every(takeEveryMs, 'taking consoles', take)
      every(refreshEveryMs, 'reading consoles', () => refreshInTurn())
      every(noteEveryMs, 'noting consoles', noter.note)
      every(
        recheckEveryMs,
        'rechecking watchers',
        createJudge({ ...deps, log, allows }, () => kept.values()),
      )
      every(choresEveryMs, 'tidying consoles', async () => {
        await purgeTickets(db)
        await purgeHolders(db)
        await journals.sweep()
      })
    },
    async stop() {
      stopping = true
      for (const timer of timers) clearInterval(timer)
      noter.stop()
      clearTimeout(takeTimer)
      await reading
      const last = [...kept.values()]
      await dropAll('stopping')
      await link?.close()
      if (holder) {
        // Once more, as an earlier note may not have got there.
        for (const one of last) one.noteAgain()
        const notes = last.flatMap((one) => one.note() ?? [])
        await noteConsoles(db, holder.id, notes)
        await leaveHolder(
          db,
          holder.id,
          notes.map(({ nodeUuid }) => nodeUuid),
        )
      }
      holder = undefined
    },
    isSelf: (id) => id === holder?.id,
    get: (nodeUuid) => kept.get(nodeUuid),
    async getFresh(nodeUuid) {
      await refreshInTurn([nodeUuid])
      return kept.get(nodeUuid)
    },
    all: () => kept.values(),
  }
}

/** An address that others can use: one that listens everywhere is reached by its host's name. */
const reachable = (url: string, host: string): string =>
  url.replace(/\/\/(0\.0\.0\.0|\[::\])(?=:|$)/, `//${host}`)
