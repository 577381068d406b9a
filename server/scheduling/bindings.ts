/** The bond of an allocation and a node, as requests make and undo it. */
import { LeaseholdError } from '../errors.ts'
import { type ChangeOptions, changeNode, findNode, type Node } from '../inventory/index.ts'
import type { Db } from '../store/index.ts'
import {
  type Allocation,
  deleteWithoutNode,
  findAllocation,
  insertAllocation,
  type NewAllocation,
} from './allocations.sql.ts'

/**
 * Makes the allocation of a node that has its instance already ("backfill"): `check` says what it is to be, for the
 * node as it is when it is written.
 * @throws LeaseholdError 'conflict' when the node stays locked or the allocation's name or UUID is taken; whatever
 *   `check` throws. Then nothing has changed.
 */
export const bindAllocation = (
  db: Db,
  node: Node,
  options: ChangeOptions,
  check: (node: Node) => NewAllocation,
): Promise<Allocation> =>
  db.transaction().execute(async (transaction) => {
    let wanted: NewAllocation | undefined
    await changeNode(transaction, node, options, (current) => {
      wanted = check(current)
      return {
        instance_uuid: wanted.uuid,
        allocation_uuid: wanted.uuid,
        instance_info: JSON.stringify({ ...current.instance_info, traits: wanted.traits ?? [] }),
      }
    })
    return insertAllocation(transaction, {
      ...(wanted as NewAllocation),
      state: 'active',
      node_uuid: node.uuid,
    })
  })

/**
 * Deletes an allocation; its node, if `check` does not object, is without an instance then.
 * @throws LeaseholdError 'conflict' when the node stays locked; whatever `check` throws.
 */
export async function releaseAllocation(
  db: Db,
  allocation: Allocation,
  options: ChangeOptions,
  check: (node: Node) => void,
): Promise<void> {
  let current: Allocation | undefined = allocation
  for (let round = 1; current; round++) {
    if (round > mostRounds)
      throw new LeaseholdError(
        'unavailable',
        `Allocation ${allocation.uuid} changes too often, please retry.`,
      )
    if (current.node_uuid === null) {
      if (await deleteWithoutNode(db, current.uuid)) return
    } else await freeNode(db, current.node_uuid, allocation.uuid, options, check)
    current = await findAllocation(db, { uuid: allocation.uuid })
  }
}
const mostRounds = 10

/** Takes the instance from the node: the allocation goes with it, by the trigger of the nodes table. */
async function freeNode(
  db: Db,
  nodeUuid: string,
  allocationUuid: string,
  options: ChangeOptions,
  check: (node: Node) => void,
): Promise<void> {
  const node = await findNode(db, { uuid: nodeUuid })
  if (!node) return
  await changeNode(db, node, options, (current) => {
    if (current.allocation_uuid !== allocationUuid) return {}
    check(current)
    return { instance_uuid: null }
  })
}
