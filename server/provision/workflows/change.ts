/** A change of the machine asked for by itself (boot mode, console, a vendor method): the provision state stays. */
import { changeMachine, titleOf } from '../../hardware/index.ts'
import type { NodeChanges } from '../nodes.sql.ts'
import type { Workflow } from '../run.ts'

export const change: Workflow = async (run) => {
  const wanted = run.work.change
  if (!wanted) throw new Error('The change names nothing to change')
  await run.machine(titleOf(wanted), async (bounds) => ({
    changes: await changeMachine(run.hardware, run.node, wanted, bounds),
  }))
  const changes: NodeChanges = { work: run.work.suspended ? JSON.stringify(run.work.suspended) : null }
  return { end: 'done', changes }
}
