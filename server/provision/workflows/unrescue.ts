/** Unrescue: the machine boots its instance again. */
import { sql } from 'kysely'
import type { Workflow } from '../run.ts'

export const unrescue: Workflow = async (run) => {
  const rescuer = run.hardware.implementation(run.node, 'rescue')
  await run.effect('Unrescue', (bounds) => rescuer.unrescue(run.node, bounds))
  return { end: 'done', changes: { instance_info: sql`instance_info - 'rescue_password'` } }
}
