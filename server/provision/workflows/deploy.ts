/** Active and rebuild: the deploy steps; a machine whose deployment fails is turned off. */
import { planAutomatic } from '../plan.ts'
import type { Workflow } from '../run.ts'
import { checkOutcome, runSteps } from '../steps.ts'
import { powerOff } from './power-off.ts'

export const deploy: Workflow = async (run) => {
  run.onFailure('Power off after the failure', (bounds) => powerOff(run, bounds))
  checkOutcome(run)
  return runSteps(run, 'deploy', run.work.steps ?? planAutomatic(run.hardware, run.node, 'deploy'))
}
