/** Unrescue: the machine boots its instance again. */
import { sql } from 'kysely'
import { enterNetworks } from '../networks.ts'
import type { Workflow } from '../run.ts'

export const unrescue: Workflow = async (run) => {
  const rescuer = run.hardware.implementation(run.node, 'rescue')
  await run.effect('Unrescue', (bounds) => rescuer.unrescue(run.node, bounds))
  await enterNetworks(run, 'tenant')
  return { end: 'done', changes: { instance_info: sql`instance_info - 'rescue_password'` } }
}
