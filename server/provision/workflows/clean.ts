/** Provide and clean: the automatic clean steps, or those that were asked for. */
import { begins, enterNetworks, isolateOnFailure, leaveNetworks } from '../networks.ts'
import { planAutomatic } from '../plan.ts'
import type { Workflow } from '../run.ts'
import { checkOutcome, runSteps } from '../steps.ts'

export const clean: Workflow = async (run) => {
  isolateOnFailure(run)
  checkOutcome(run)
  if (begins(run)) await enterNetworks(run, 'cleaning')
  const steps = run.work.steps ?? planAutomatic(run.hardware, run.node, 'clean')
  return leaveNetworks(run, await runSteps(run, 'clean', steps), 'idle')
}
