/** Deploy templates: steps that an instance asks for by its traits (`instance_info.traits`). */
import { LeaseholdError } from '../errors.ts'
import type { Node } from '../hardware/index.ts'
import { type DeployTemplate, deployTemplatesNamed } from '../inventory/index.ts'
import type { Db } from '../store/index.ts'
import { mainVerb, type Verb } from './states.ts'
import type { AskedStep, VerbOptions } from './types.ts'

/**
 * The options of an order with the steps of every deploy template that the node's instance asks for. A step that the
 * order itself asks for goes before the same step of a template.
 * @throws LeaseholdError 'invalid' when two templates have the same step: nobody could say which of them counts.
 */
export async function withTemplates(
  db: Db,
  node: Node,
  verb: Verb,
  options: VerbOptions,
): Promise<VerbOptions> {
  const main = mainVerb(verb)
  const traits = main === 'active' || main === 'rebuild' ? traitsOf(node) : []
  if (traits.length === 0) return options
  const steps = stepsOf(await deployTemplatesNamed(db, traits))
  if (steps.length === 0) return options
  const asked = options.deploySteps ?? []
  const overridden = new Set(asked.map(nameOf))
  return { ...options, deploySteps: [...steps.filter((step) => !overridden.has(nameOf(step))), ...asked] }
}

function traitsOf(node: Node): string[] {
  const { traits } = node.instance_info
  return Array.isArray(traits) ? traits.filter((trait) => typeof trait === 'string') : []
}

function stepsOf(templates: readonly DeployTemplate[]): AskedStep[] {
  const from = new Map<string, string>()
  return templates.flatMap((template) =>
    template.steps.map((step) => {
      const other = from.get(nameOf(step))
      if (other !== undefined)
        throw new LeaseholdError(
          'invalid',
          `Deploy templates ${other} and ${template.name} both have step ${nameOf(step)}; instance_info.traits may have one of them.`,
        )
      from.set(nameOf(step), template.name)
      return step
    }),
  )
}

const nameOf = (step: { interface: string; step: string }): string => `${step.interface}.${step.step}`
