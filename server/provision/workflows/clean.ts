/** Provide and clean: the automatic clean steps, or those that were asked for. */
import { planAutomatic } from '../plan.ts'
import type { Workflow } from '../run.ts'
import { checkOutcome, runSteps } from '../steps.ts'

export const clean: Workflow = async (run) => {
  checkOutcome(run)
  return runSteps(run, 'clean', run.work.steps ?? planAutomatic(run.hardware, run.node, 'clean'))
}
