/** Inspect: what the machine is made of, asked of it or reported by it later. */
import { sql } from 'kysely'
import type { NodeChanges } from '../nodes.sql.ts'
import type { End, Workflow } from '../run.ts'
import { checkOutcome } from '../steps.ts'

export const inspect: Workflow = async (run) => {
  checkOutcome(run)
  if (run.work.outcome) return found(run.work.outcome.properties ?? {})
  const inspector = run.hardware.implementation(run.node, 'inspect')
  const result = await run.effect('Inspection', (bounds) => inspector.inspect(run.node, bounds))
  return result === 'wait' ? { end: 'wait', work: run.work } : found(result.properties)
}

function found(properties: Record<string, unknown>): End {
  const changes: NodeChanges = {
    properties: sql`properties || ${JSON.stringify(properties)}::jsonb`,
    inspection_finished_at: sql`now()`,
  }
  return { end: 'done', changes }
}
