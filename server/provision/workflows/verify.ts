/** Manage: the node's driver reaches its machine, and every verify step passes. */
import { findStep, planAutomatic } from '../plan.ts'
import type { Workflow } from '../run.ts'

export const verify: Workflow = async (run) => {
  const power = run.hardware.implementation(run.node, 'power')
  for (const type of ['power', 'management'] as const)
    run.hardware.implementation(run.node, type).validate(run.node)
  const powerState = await run.effect('Reading the power state', async (bounds) => {
    const state = await power.getState(run.node, bounds)
    if (state === 'error') throw new Error('the machine says that its power is in error')
    return state
  })
  for (const planned of planAutomatic(run.hardware, run.node, 'verify')) {
    const step = findStep(run.hardware, run.node, 'verify', planned)
    if (step)
      await run.machine(`Verify step ${step.interface}.${step.step}`, (bounds) =>
        step.run(run.node, {}, bounds),
      )
  }
  return { end: 'done', changes: { power_state: powerState } }
}
