/** Inspect: what the machine is made of, asked of it or reported by it later, and what the rules make of that. */
import { sql } from 'kysely'
import { type Findings, inspectionOf } from '../inspection-rules/inspection.ts'
import { begins, enterNetworks, isolateOnFailure, leaveNetworks } from '../networks.ts'
import type { End, Run, Workflow } from '../run.ts'
import { checkOutcome } from '../steps.ts'

export const inspect: Workflow = async (run) => {
  const moves = run.config['networking.inspection_network'] !== undefined
  if (moves) isolateOnFailure(run)
  checkOutcome(run)
  if (moves && begins(run)) await enterNetworks(run, 'inspecting')
  const end = await inspected(run)
  return moves ? leaveNetworks(run, end, 'idle') : end
}

async function inspected(run: Run): Promise<End> {
  if (run.work.outcome) return found(run, run.work.outcome)
  const inspector = run.hardware.implementation(run.node, 'inspect')
  const result = await run.effect('Inspection', (bounds) => inspector.inspect(run.node, bounds))
  return result === 'wait' ? { end: 'wait', work: run.work } : found(run, result)
}

async function found(run: Run, findings: Findings): Promise<End> {
  const { changes, pluginData } = await inspectionOf(run, findings)
  const { inventory } = findings
  return {
    end: 'done',
    changes: { ...changes, inspection_finished_at: sql`now()` },
    machine: inventory ? { inventory: { inventory: { ...inventory }, plugin_data: pluginData } } : {},
  }
}
