/** Which conductor does a node's work when this process can not. */
import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { Node } from '../hardware/index.ts'
import type { Db } from '../store/index.ts'

/**
 * Of the living conductors that serve the node's driver and group, the same one each time while they stay
 * (rendezvous hashing).
 * @throws LeaseholdError 'unavailable' when no conductor lives, 'not-found' when none of them serves the node.
 */
export async function chooseConductor(
  db: Db,
  node: Pick<Node, 'uuid' | 'driver' | 'conductor_group'>,
  livenessSeconds: number,
): Promise<string> {
  const alive = await db
    .selectFrom('conductors')
    .select(['hostname', 'conductor_group', sql<boolean>`drivers ? ${node.driver}`.as('drives')])
    .where('online', '=', true)
    .where('heartbeat_at', '>', sql<Date>`now() - ${livenessSeconds} * interval '1 second'`)
    .execute()
  if (alive.length === 0)
    throw new LeaseholdError('unavailable', 'Resource temporarily unavailable, please retry.', {
      retryAfterSeconds: 5,
    })
  const able = alive.filter((each) => each.drives && sameGroup(each.conductor_group, node.conductor_group))
  const weight = (hostname: string) => createHash('sha256').update(`${hostname} ${node.uuid}`).digest('hex')
  const best = able.map((each) => each.hostname).sort((a, b) => (weight(a) < weight(b) ? -1 : 1))[0]
  if (best === undefined)
    throw new LeaseholdError(
      'not-found',
      `No valid host was found. Reason: No conductor service registered which supports driver ${node.driver} for conductor group "${node.conductor_group}".`,
    )
  return best
}

/** Groups are names without case. */
export const sameGroup = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
