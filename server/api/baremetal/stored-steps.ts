/** Steps that deploy templates and runbooks keep: what they may be, how they are shown, and who may have them run. */
import { type TSchema, Type } from 'typebox'
import { type AskableRule, maskSecrets, nodeTarget } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import type { Node } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { anyObject } from './fields.ts'
import type { Call } from './routes.ts'

/** A step as a caller gives it; `order` and `priority` may be text of digits. */
export interface GivenStep {
  interface: string
  step: string
  args?: Record<string, unknown>
  priority?: number | string
  order?: number | string
}

const interfaces = ['vendor', 'power', 'management', 'firmware', 'deploy', 'bios', 'raid'] as const
const rank: TSchema = Type.Union([
  Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 }),
  Type.String({ pattern: '^[0-9]{1,9}$' }),
])
const common = {
  interface: Type.Union(interfaces.map((name) => Type.Literal(name))),
  step: Type.String({ minLength: 1, maxLength: 255 }),
}
const list = (step: TSchema): TSchema => Type.Array(step, { minItems: 1, maxItems: 1000 })

/** Of a deploy template: all four keys are required. */
export const deployStepsSchema = list(
  Type.Object({ ...common, args: anyObject, priority: rank }, { additionalProperties: false }),
)
/** Of a runbook: a step needs no arguments. */
export const runbookStepsSchema = list(
  Type.Object({ ...common, args: Type.Optional(anyObject), order: rank }, { additionalProperties: false }),
)

/**
 * Steps as they are stored: numbers as numbers, arguments always there.
 * @throws LeaseholdError 'invalid' for a step that is there twice.
 */
export function stepsColumn(given: readonly GivenStep[], rankKey: 'priority' | 'order'): string {
  const names = given.map((step) => `${step.interface}.${step.step}`)
  const twice = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))]
  if (twice.length > 0)
    throw new LeaseholdError(
      'invalid',
      `Duplicate steps: ${twice.slice(0, 10).join(', ')}. Each step of an interface may be there once.`,
    )
  return JSON.stringify(
    given.map((step) => ({
      interface: step.interface,
      step: step.step,
      args: step.args ?? {},
      [rankKey]: Number(step[rankKey]),
    })),
  )
}

/** Steps as anybody may see them: nobody sees the secrets in their arguments. */
export const showSteps = <Step extends { args: unknown }>(steps: readonly Step[]): Step[] =>
  steps.map((step) => ({ ...step, args: maskSecrets(step.args) }))

/**
 * Checks the rules of single steps, which exist when the operator's policy file has them. Without a node a rule that
 * asks for its owner or lessee does not hold.
 * @throws LeaseholdError 'forbidden' naming every step that is refused.
 */
export function requireStepRules(
  deps: ApiDeps,
  call: Call,
  steps: readonly { interface?: unknown; step?: unknown }[],
  node?: Pick<Node, 'owner' | 'lessee'>,
): void {
  const ruleOf = (step: { interface?: unknown; step?: unknown }): AskableRule =>
    `baremetal:step:execute:${wordOf(step.interface)}.${wordOf(step.step)}`
  const target = node ? nodeTarget(node) : {}
  const refused = [...new Set(steps.map(ruleOf))].filter(
    (rule) => deps.policy.has(rule) && !deps.policy.allows(rule, call.caller, target),
  )
  if (refused.length > 0)
    throw new LeaseholdError(
      'forbidden',
      `Access was denied to the following resource: ${refused.join(', ')}`,
    )
}

/** What is no text names no step; it is refused later. An object may have a `toString` of its own. */
const wordOf = (given: unknown): string => (typeof given === 'string' ? given : '')
