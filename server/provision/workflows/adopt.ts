/** Adopt: a machine that runs its instance already; it is asked for its power state and left alone. */
import { enterNetworks } from '../networks.ts'
import type { Workflow } from '../run.ts'

export const adopt: Workflow = async (run) => {
  const power = run.hardware.implementation(run.node, 'power')
  const powerState = await run.effect('Reading the power state', async (bounds) => {
    const state = await power.getState(run.node, bounds)
    if (state === 'error') throw new Error('the machine says that its power is in error')
    return state
  })
  await enterNetworks(run, 'tenant')
  return { end: 'done', changes: { power_state: powerState } }
}
