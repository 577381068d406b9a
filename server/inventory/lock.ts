/**
 * The lock of a node: its `reservation`, which also is what the API shows. Whoever holds it alone changes the node.
 * Each taking raises `generation`, the fencing number: a holder that lost its lock can no longer write.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LeaseholdError } from '../errors.ts'
import type { Db } from '../store/index.ts'

export interface LockOptions {
  /** Who takes it: the conductor's host name. */
  host: string
  attempts: number
  intervalMs: number
}

/** Whoever holds the lock, proven by number. */
export interface NodeLock {
  uuid: string
  generation: number
}

/** Ironic's words for it: clients wait and retry when they read them. */
export const lockedError = (uuid: string, host: string): LeaseholdError =>
  new LeaseholdError(
    'conflict',
    `Node ${uuid} is locked by host ${host}, please retry after the current operation is completed.`,
  )

/**
 * Takes the lock, trying a few times.
 * @throws LeaseholdError 'conflict' when another holds it, 'not-found' when the node is gone.
 */
export async function takeLock(db: Db, uuid: string, options: LockOptions): Promise<NodeLock> {
  for (let attempt = 1; ; attempt++) {
    const taken = await db
      .updateTable('nodes')
      .set((eb) => ({ reservation: options.host, workflow_id: null, generation: eb('generation', '+', 1) }))
      .where('uuid', '=', uuid)
      .where('reservation', 'is', null)
      .returning('generation')
      .executeTakeFirst()
    if (taken) return { uuid, generation: taken.generation }
    const holder = await db
      .selectFrom('nodes')
      .select('reservation')
      .where('uuid', '=', uuid)
      .executeTakeFirst()
    if (!holder) throw new LeaseholdError('not-found', `Node ${uuid} could not be found.`)
    if (attempt >= options.attempts && holder.reservation) throw lockedError(uuid, holder.reservation)
    await sleep(options.intervalMs)
  }
}

/** Gives the lock back; does nothing when it has been lost since. */
export async function releaseLock(db: Db, lock: NodeLock): Promise<void> {
  await db
    .updateTable('nodes')
    .set({ reservation: null, workflow_id: null })
    .where('uuid', '=', lock.uuid)
    .where('generation', '=', lock.generation)
    .execute()
}

/** Runs `work` under the lock, for requests that change a machine and answer when it is done. */
export async function withLock<T>(
  db: Db,
  uuid: string,
  options: LockOptions,
  work: (lock: NodeLock) => Promise<T>,
): Promise<T> {
  const lock = await takeLock(db, uuid, options)
  try {
    return await work(lock)
  } finally {
    await releaseLock(db, lock)
  }
}
