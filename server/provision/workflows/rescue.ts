/** Rescue: the machine boots a rescue system, whose password is in instance_info while it lasts. */
import { enterNetworks } from '../networks.ts'
import type { Workflow } from '../run.ts'
import { checkOutcome } from '../steps.ts'

export const rescue: Workflow = async (run) => {
  checkOutcome(run)
  if (run.work.outcome) return { end: 'done' }
  await enterNetworks(run, 'rescuing')
  const rescuer = run.hardware.implementation(run.node, 'rescue')
  const result = await run.effect('Rescue', (bounds) => rescuer.rescue(run.node, bounds))
  return result === 'wait' ? { end: 'wait', work: run.work } : { end: 'done' }
}
