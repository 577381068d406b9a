/** Runs planned steps one after the other, from where an earlier wait left off. */
import type { StepKind } from '../hardware/index.ts'
import { findStep, holdStep } from './plan.ts'
import type { End, Run, StepColumn } from './run.ts'
import type { PlannedStep, Work } from './work.ts'

/** Whether all are done, or the node now waits: then `End` says for what, and where to go on. */
export async function runSteps(
  run: Run,
  kind: Exclude<StepKind, 'verify'>,
  steps: readonly PlannedStep[],
): Promise<End> {
  const column = columnOf[kind]
  const shown = run.node[column] as Partial<PlannedStep> & { abort_after?: boolean }
  if (shown.abort_after) throw new Error(`Aborted on request after step ${shown.interface}.${shown.step}`)
  for (const [index, step] of steps.entries()) {
    if (index < run.work.from) continue
    const waiting = (end: 'wait' | 'hold'): End => ({
      end,
      changes: { [column]: JSON.stringify(step) },
      work: toGoOn(run.work, [...steps], index + 1),
    })
    if (step.step === holdStep) return waiting('hold')
    const name = `${capitals[kind]} step ${step.interface}.${step.step}`
    const found = findStep(run.hardware, run.node, kind, step)
    if (!found) throw new Error(`${name} is unknown to this conductor`)
    const result = await run.machine(name, (bounds) => found.run(run.node, step.args, bounds), {
      showing: { column, step },
    })
    if (result === 'wait') return waiting('wait')
  }
  return { end: 'done' }
}

/**
 * What a wait has come to, at the beginning of a workflow that goes on after it.
 * @throws Error with what the machine, the timeout or the operator said.
 */
export function checkOutcome(run: Run): void {
  if (run.work.outcome?.error !== undefined) throw new Error(run.work.outcome.error)
}

const columnOf = {
  clean: 'clean_step',
  deploy: 'deploy_step',
  service: 'service_step',
} as const satisfies Record<Exclude<StepKind, 'verify'>, StepColumn>
const capitals = { clean: 'Clean', deploy: 'Deploy', service: 'Service' }

/** The work of a node that waits, without what was done before. */
function toGoOn(work: Work, steps: PlannedStep[], from: number): Work {
  return { workflow: work.workflow, caller: work.caller, steps, from }
}
