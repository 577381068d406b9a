/** Serial consoles: kept open, recorded, and shown to just those who may see them. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import {
  type Authenticator,
  type Caller,
  callersOfKeys,
  consoleTarget,
  nodeTarget,
  type Policy,
} from '../access/index.ts'
import type { Config } from '../config.ts'
import { LeaseholdError, messageOf } from '../errors.ts'
import { checkIsolated, type Hardware } from '../hardware/index.ts'
import { findNode, type Node } from '../inventory/index.ts'
import type { Db } from '../store/index.ts'
import { type Buffers, createBuffers } from './buffers.ts'
import { findConsole, type Span } from './consoles.sql.ts'
import { createTcpDoors } from './doors/tcp.ts'
import { createWebsocketDoor } from './doors/websocket.ts'
import { attachElsewhere } from './forward.ts'
import { holderOf } from './holders.sql.ts'
import { journalDirectory } from './journal/index.ts'
import { createKeeper } from './keeper.ts'
import { createQuota } from './quota.ts'
import { recheck } from './recheck.ts'
import { redeemTicket } from './tickets.sql.ts'
import { type Attach, type LineState, lineStates, type Sink, type WatcherView } from './types.ts'

export type { Buffers } from './buffers.ts'
export { type ConsoleRow, findConsole, findSpan, listSpans, type Span, shareSpan } from './consoles.sql.ts'
export * from './doors/ssh.ts'
export * from './doors/ssh-callers.ts'
export { asAsciicast, asText, extent, readJournal, search } from './journal/index.ts'
export { newKeyPair } from './key-pair.ts'
export * from './keys.sql.ts'
export * from './public-key.ts'
export { dropTickets, issueTicket } from './tickets.sql.ts'
export * from './types.ts'

export interface ConsolesDeps {
  db: Db
  databaseUrl: string
  config: Config
  log: Logger
  hardware: Hardware
  policy: Policy
  authenticator: Authenticator
}

export interface Consoles {
  /** Begins to keep consoles; `url` is where other conductors reach this process's API. */
  start(url: string): Promise<void>
  /** Cuts everybody and gives every line back. */
  stop(): Promise<void>
  attach: Attach
  /** What is kept in memory for all who watch here. */
  buffers: Buffers
  /** Takes an HTTP upgrade; false when it is not for a console. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean
  /** Who watches a console that is kept here; undefined for one that is not. */
  watchers(nodeUuid: string): WatcherView[] | undefined
  /** Sends one watcher away. */
  expel(nodeUuid: string, watcherId: string): boolean
  /** API of the conductor that keeps a node's console, when that is another one. */
  keptAt(nodeUuid: string): Promise<string | undefined>
  /** Of what is kept here: how many consoles are in each state, and how many watch. */
  census(): { states: Record<LineState, number>; watchers: number }
  /** Where a console's journal is, by the name that its row has. */
  journalOf(journal: string): string
}

/** A console that has just been switched on, or whose conductor has just died, is waited for so long. */
const holderWaitMs = 4_000
const lookAgainMs = 200

export function createConsoles(deps: ConsolesDeps): Consoles {
  const { db, config, policy } = deps
  const host = config['console.tcp_listen']
  const eachBytes = config['console.watcher_buffer_kb'] * 1024
  const buffers = createBuffers({ eachBytes, allBytes: config['console.watcher_buffers_mb'] * 1024 * 1024 })
  const quota = createQuota(
    config['console.max_watchers_per_project'],
    'watchers of consoles',
    'console.max_watchers_per_project',
  )
  const tcp =
    host === undefined
      ? undefined
      : createTcpDoors({
          host,
          ports: config['console.tcp_ports'],
          sources: config['console.tcp_sources'],
          log: deps.log,
          buffers,
        })
  const keeper = createKeeper({
    ...deps,
    callersOfKeys,
    onKept: (kept) => tcp?.open(kept),
    onDropped: (kept) => tcp?.close(kept),
  })
  let started = false

  const attach: Attach = async (visitor, ident, options, sink) => {
    const leave = quota(visitor.caller)
    const ended: Sink['ended'] = (ending) => {
      leave()
      sink.ended(ending)
    }
    try {
      const attachment = await find(visitor, ident, options, { ...sink, ended })
      const close = () => {
        leave()
        attachment.close()
      }
      return { ...attachment, close }
    } catch (error) {
      leave()
      throw error
    }
  }
  const find: Attach = async (visitor, ident, options, sink) => {
    const node = await visibleNode(visitor.caller, ident)
    const readRule = 'leasehold:console:read'
    const denied = new LeaseholdError('forbidden', `Access was denied to the following resource: ${readRule}`)
    for (const until = performance.now() + holderWaitMs; ; ) {
      const console = await findConsole(db, node.uuid)
      if (!policy.allows(readRule, visitor.caller, consoleTarget(console?.span ?? node))) throw denied
      const kept = keeper.get(node.uuid)
      if (!console || (!node.console_enabled && !kept)) throw switchedOff(node)
      const late = performance.now() > until
      try {
        await isolated(node)
        if (kept) {
          // What it knows of the node is what the row says now, or it reads it again.
          const current = isSameSpan(kept.held.span, console.span) ? kept : await keeper.getFresh(node.uuid)
          if (current && isSameSpan(current.held.span, console.span))
            return current.hub.attach(visitor, options, sink)
        }
        return await attachElsewhere(
          { db, isHere: (uuid) => keeper.get(uuid) !== undefined },
          visitor,
          { nodeUuid: node.uuid, name: node.name, spanId: console.span.id },
          options,
          sink,
        )
      } catch (error) {
        if (late || !(error instanceof LeaseholdError) || error.code !== 'unavailable') throw error
      }
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs))
    }
  }
  /** Nobody comes to a machine that may be in a former tenant's network. @throws LeaseholdError 'unavailable'. */
  const isolated = async (node: Node) => {
    try {
      await checkIsolated(deps.hardware, node)
    } catch (error) {
      throw new LeaseholdError('unavailable', messageOf(error), { retryAfterSeconds: 1 })
    }
  }
  /** @throws LeaseholdError 'not-found' for a node that is absent or hidden, the same either way. */
  const visibleNode = async (caller: Caller, ident: string): Promise<Node> => {
    const uuid = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(ident) ? ident.toLowerCase() : undefined
    const node = ident.length > 255 ? undefined : await findNode(db, uuid ? { uuid } : { name: ident })
    if (!node || !policy.allows('baremetal:node:get', caller, nodeTarget(node)))
      throw new LeaseholdError('not-found', `Node ${ident.slice(0, 255)} could not be found.`)
    return node
  }

  const websocket = createWebsocketDoor({
    attach,
    authenticator: deps.authenticator,
    recheck: (visitors) => recheck({ ...deps, callersOfKeys }, visitors),
    redeem: (ticket, cameFrom) => redeemTicket(db, ticket, cameFrom),
    log: deps.log,
    buffers,
    bufferBytes: eachBytes,
  })

  return {
    async start(url) {
      await keeper.start(url)
      started = true
    },
    async stop() {
      if (started) await keeper.stop()
      await websocket.close()
    },
    attach,
    buffers,
    upgrade: websocket.upgrade,
    watchers: (nodeUuid) => keeper.get(nodeUuid)?.hub.views(),
    expel: (nodeUuid, watcherId) => keeper.get(nodeUuid)?.hub.expel(watcherId) ?? false,
    async keptAt(nodeUuid) {
      if (keeper.get(nodeUuid)) return undefined
      const found = await holderOf(db, nodeUuid)
      // One that this process has taken and not opened yet is at no other.
      return found && !keeper.isSelf(found.id) ? (found.url ?? undefined) : undefined
    },
    census() {
      const states = Object.fromEntries(lineStates.map((state) => [state, 0])) as Record<LineState, number>
      let watchers = 0
      for (const kept of keeper.all()) {
        states[kept.status.state] += 1
        watchers += kept.hub.size
      }
      return { states, watchers }
    },
    journalOf: (journal) => journalDirectory(keeper.journalRoot, journal),
  }
}

const isSameSpan = (one: Span, other: Span): boolean =>
  one.id === other.id && one.shared_with_owner === other.shared_with_owner

const switchedOff = (node: Node): LeaseholdError =>
  new LeaseholdError(
    'conflict',
    `The console of node ${node.uuid} is off; PUT /v1/nodes/${node.uuid}/console {"enabled": true} switches it on.`,
  )
