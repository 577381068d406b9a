/**
 * Deleted: the machine is isolated from every network before anything else, then it is turned off, virtual media and the console's session are taken from it, what it had of its
 * instance is forgotten, then it is cleaned. A machine for which this fails is never handed on: the node ends in `error`.
 */
import { sql } from 'kysely'
import { releaseMachine } from '../../hardware/index.ts'
import { automatedClean } from '../automated-clean.ts'
import { enterNetworks, isolateOnFailure, leaveNetworks } from '../networks.ts'
import type { NodeChanges } from '../nodes.sql.ts'
import { planAutomatic } from '../plan.ts'
import type { Workflow } from '../run.ts'
import { checkOutcome, runSteps } from '../steps.ts'
import { powerOff } from './power-off.ts'

export const undeploy: Workflow = async (run) => {
  isolateOnFailure(run)
  checkOutcome(run)
  // One that waited in its cleaning has its steps, and is past this.
  if (run.work.steps === null) {
    await enterNetworks(run, 'idle')
    await run.machine('Power off', async (bounds) => {
      await powerOff(run, bounds)
      return { changes: await releaseMachine(run.hardware, run.node, bounds) }
    })
    const off: NodeChanges = run.node.disable_power_off ? {} : { power_state: 'power off' }
    await run.move('next', { ...off, ...withoutInstance })
    if (automatedClean(run.node, run.config)) await enterNetworks(run, 'cleaning')
  }
  if (!automatedClean(run.node, run.config)) return { end: 'done' }
  const steps = run.work.steps ?? planAutomatic(run.hardware, run.node, 'clean')
  return leaveNetworks(run, await runSteps(run, 'clean', steps), 'idle')
}

/** What a tear-down clears. The lessee goes only when the deployment itself had set it. */
const withoutInstance: NodeChanges = {
  instance_info: '{}',
  instance_uuid: null,
  instance_name: null,
  allocation_uuid: null,
  boot_device: null,
  lessee: sql`CASE WHEN driver_internal_info ? 'automatic_lessee' THEN NULL ELSE lessee END`,
  driver_internal_info: sql`driver_internal_info - 'automatic_lessee'`,
}
