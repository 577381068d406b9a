/** Service: steps that were asked for, on a machine with an instance. */
import type { Workflow } from '../run.ts'
import { checkOutcome, runSteps } from '../steps.ts'

export const service: Workflow = async (run) => {
  checkOutcome(run)
  return runSteps(run, 'service', run.work.steps ?? [])
}
