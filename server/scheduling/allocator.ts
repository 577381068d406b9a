/**
 * Gives waiting allocations their nodes. The row of an allocation is all there is to know: a process that dies leaves
 * it as it was, and whichever conductor looks next takes it up.
 */
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { every, type Loop } from '../provision/index.ts'
import type { Db } from '../store/index.ts'
import type { Allocation } from './allocations.sql.ts'
import { claimNode, countSuitable, dueAllocations, failAllocation, postpone } from './claim.sql.ts'

export interface Allocator {
  /** Begins to look after allocations, those left by other processes too; a conductor does. */
  start(): void
  /** Waits for the one in hand; the others stay for the next start or another process. */
  stop(): Promise<void>
  /** There is a new one. Where no allocator runs, another process finds it within two seconds. */
  soon(): void
}

export interface AllocatorDeps {
  db: Db
  config: Config
  log: Logger
}

export function createAllocator(deps: AllocatorDeps): Allocator {
  const intervalMs = deps.config['conductor.lock_interval_ms']
  let loop: Loop | undefined
  let stopping = false
  const turn = async () => {
    const due = await dueAllocations(deps.db, mostAtOnce)
    for (const allocation of due) {
      if (stopping) return
      await allocate(deps, allocation).catch((error: unknown) =>
        deps.log.warn({ err: error, allocation: allocation.uuid }, 'an allocation is tried again'),
      )
    }
    if (due.length === mostAtOnce) loop?.soon()
  }
  return {
    start() {
      stopping = false
      loop ??= every(
        Math.min(longestPauseMs, Math.max(shortestPauseMs, intervalMs)),
        deps.log,
        'allocating',
        turn,
      )
      loop.soon()
    },
    async stop() {
      stopping = true
      await loop?.stop()
      loop = undefined
    },
    soon: () => loop?.soon(),
  }
}
const mostAtOnce = 100
const longestPauseMs = 2_000
const shortestPauseMs = 100

/** One attempt: it gets a node, or is looked for again because all that suit are locked, or ends in error. */
async function allocate(deps: AllocatorDeps, allocation: Allocation): Promise<void> {
  const { db, config, log } = deps
  const node = await claim(db, allocation)
  if (node) {
    log.info({ allocation: allocation.uuid, node, owner: allocation.owner }, 'allocated')
    return
  }
  const { wanted, suitable } = await countSuitable(db, allocation)
  const fault = faultOf(allocation, wanted, suitable)
  if (!fault && allocation.attempts + 1 < config['conductor.lock_attempts'])
    return postpone(db, allocation, config['conductor.lock_interval_ms'])
  const reason = fault ?? `could not reserve any of ${suitable} suitable nodes`
  const lastError = `Failed to process allocation ${allocation.uuid}: ${reason}.`
  if (await failAllocation(db, allocation, lastError)) log.info({ allocation: allocation.uuid }, lastError)
}

/** Why no node can be had, in Ironic's words; undefined when there are some, all of them locked. */
function faultOf(allocation: Allocation, wanted: number, suitable: number): string | undefined {
  if (suitable > 0) return undefined
  const { resource_class: resourceClass, traits } = allocation
  if (wanted > 0) return `no suitable nodes have the requested traits ${traits.join(', ')}`
  return allocation.candidate_nodes.length > 0
    ? `none of the requested nodes are available and match the resource class ${resourceClass}`
    : `no available nodes match the resource class ${resourceClass}`
}

/** A UUID that some node has as its instance already is as good as no node. */
async function claim(db: Db, allocation: Allocation): Promise<string | undefined> {
  try {
    return await claimNode(db, allocation)
  } catch (error) {
    if ((error as { constraint?: string }).constraint === 'nodes_instance_uuid_key') return undefined
    throw error
  }
}
