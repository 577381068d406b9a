/** The way from a request to a node's machine: a conductor for it, its lock, a deadline, and what the node is told. */
import type { RuleName } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import type { Bounds, MachineChanges } from '../../hardware/index.ts'
import { findNode, type Node, requireConductor, tellNode, withLock } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { judgeAgain, lockOptions } from './node-access.ts'
import type { Call } from './routes.ts'

/** Deadline of a request that waits for a machine, milliseconds. */
const machineDeadlineMs = 30_000

/**
 * Asks a machine something, without its lock.
 * @throws LeaseholdError 'unavailable' when it takes longer than a caller can wait.
 */
export async function askMachine<T>(act: (bounds: Bounds) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(machineDeadlineMs)
  try {
    return await act({ signal })
  } catch (error) {
    if (!signal.aborted || error instanceof LeaseholdError) throw error
    throw new LeaseholdError(
      'unavailable',
      `The machine did not answer within ${machineDeadlineMs / 1000} s; look at the node before asking again.`,
    )
  }
}

/**
 * Changes a machine under its node's lock, by the rights that hold then, and tells the node what it has come to.
 * @throws LeaseholdError 'conflict' when the node stays locked; as `nodeFor`; and what the driver says.
 */
export function changeMachineNow<T>(
  deps: ApiDeps,
  call: Call,
  { uuid }: Node,
  rules: readonly RuleName[],
  act: (node: Node, bounds: Bounds) => Promise<{ answer?: T; changes?: MachineChanges }>,
): Promise<T | undefined> {
  return withLock(deps.db, uuid, lockOptions(deps), async (lock) => {
    const node = await findNode(deps.db, { uuid })
    if (!node) throw new LeaseholdError('not-found', `Node ${uuid} could not be found.`)
    judgeAgain(deps, call, node, rules)
    const { answer, changes } = await askMachine((bounds) => act(node, bounds))
    if (changes && !(await tellNode(deps.db, lock, changes)))
      throw new LeaseholdError(
        'conflict',
        `Another has taken the lock of node ${uuid} meanwhile: what was done is not on record.`,
      )
    return answer
  })
}

/**
 * Checks that some conductor drives the node.
 * @throws LeaseholdError 'unavailable' when no conductor lives; when none drives the node, 'not-found', or 'invalid'
 *   where Ironic has it so.
 */
export async function requireDriven(
  deps: ApiDeps,
  node: Node,
  otherwise: 'invalid' | 'not-found' = 'not-found',
): Promise<void> {
  try {
    requireConductor(await deps.conductors.alive(), node)
  } catch (error) {
    if (!(error instanceof LeaseholdError) || error.code !== 'invalid') throw error
    throw new LeaseholdError(otherwise, error.message)
  }
}
