/**
 * Active and rebuild: the deploy steps, then the tenant's networks; a machine whose deployment fails is isolated and
 * turned off.
 */
import { begins, enterNetworks, isolateOnFailure, leaveNetworks } from '../networks.ts'
import { planAutomatic } from '../plan.ts'
import type { Workflow } from '../run.ts'
import { checkOutcome, runSteps } from '../steps.ts'
import { powerOff } from './power-off.ts'

export const deploy: Workflow = async (run) => {
  run.onFailure('Power off after the failure', (bounds) => powerOff(run, bounds))
  isolateOnFailure(run)
  checkOutcome(run)
  if (begins(run)) await enterNetworks(run, 'provisioning')
  const steps = run.work.steps ?? planAutomatic(run.hardware, run.node, 'deploy')
  return leaveNetworks(run, await runSteps(run, 'deploy', steps), 'tenant')
}
