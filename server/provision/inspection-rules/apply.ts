/** Inspection rules: what is to be changed of a node and its ports because of what an inspection has found. */
import type { InspectionRule } from '../../inventory/index.ts'
import { actions, type Bench, InspectionFailedByRule } from './actions.ts'
import { type Budget, InspectionRuleError, newBudget, spend } from './budget.ts'
import { formatAll, type Scope } from './format.ts'
import { isObject, type Json, member } from './json.ts'
import { operators } from './operators.ts'
import { type Arguments, argumentsOf, type Signature } from './signature.ts'

export type AppliedRule = Pick<InspectionRule, 'uuid' | 'priority' | 'sensitive' | 'conditions' | 'actions'>
type Part = AppliedRule['actions'][number]

/** What an inspection has found, and whose. */
export interface Inspected {
  /** The node's row. */
  node: object
  /** Its ports' rows. */
  ports: readonly object[]
  inventory: object
  pluginData: object
}

/** What is to be written. */
export interface RuleChanges {
  /** UUIDs of the rules whose conditions held, in the order they were applied. */
  applied: string[]
  /** Changed attributes, each whole. */
  node: Json
  ports: { uuid: string; changes: Json }[]
  pluginData: Json
  log: { level: string; message: string }[]
}

/**
 * Applies rules in their order: of falling priority, of equal priority as they are given. Each sees what those before
 * it have changed. Nothing of what is given is changed, and nothing outside: whoever calls writes the changes.
 *
 * @throws InspectionRuleError naming the rule that could not be applied, or with what a rule's `fail` says; then
 *   nothing is to be written
 */
export function applyInspectionRules(rules: readonly AppliedRule[], found: Inspected): RuleChanges {
  const bench: Bench = {
    node: copyOf(found.node),
    ports: found.ports.map(copyOf),
    pluginData: copyOf(found.pluginData),
    changedNode: new Set(),
    changedPorts: new Map(),
    log: [],
  }
  const inventory = copyOf(found.inventory)
  const budget = newBudget()
  const applied: string[] = []
  for (const rule of rules.toSorted((a, b) => b.priority - a.priority)) {
    try {
      if (!rule.conditions.every((condition) => holds(condition, scopeOf(bench, inventory), budget))) continue
      for (const action of rule.actions) act(action, bench, inventory, budget)
      applied.push(rule.uuid)
    } catch (error) {
      throw failureOf(rule, error)
    }
  }
  return {
    applied,
    node: pick(bench.node, bench.changedNode),
    ports: bench.ports.flatMap((port) => {
      const changed = bench.changedPorts.get(port.uuid as string)
      return changed ? [{ uuid: port.uuid as string, changes: pick(port, changed) }] : []
    }),
    pluginData: bench.pluginData,
    log: bench.log,
  }
}

/** The name of an operator without its `!`. */
export function operatorOf(op: string): { name: string; inverted: boolean } {
  const trimmed = op.trim()
  return { name: trimmed.replace(/^!\s*/, ''), inverted: trimmed.startsWith('!') }
}

const scopeOf = (bench: Bench, inventory: Json): Scope => ({
  node: bench.node,
  inventory,
  plugin_data: bench.pluginData,
})

function holds(condition: Part, scope: Scope, budget: Budget): boolean {
  const { name, inverted } = operatorOf(condition.op)
  const operator = member(operators, name) as (typeof operators)[string] | undefined
  if (!operator) throw new InspectionRuleError(`there is no operator ${name}`)
  const check = (within: Scope): boolean => {
    spend(budget, 'operations', 1)
    return operator.holds(filledIn(operator, condition, within, budget), budget) !== inverted
  }
  const items = itemsOf(condition, scope, budget)
  if (!items) return check(scope)
  const inLoop = (item: unknown) => check({ ...scope, item })
  return multiples[condition.multiple ?? 'any'](items, inLoop)
}

/** How the answers for the items of a loop become one. */
const multiples: Readonly<
  Record<NonNullable<Part['multiple']>, (items: unknown[], holds: (item: unknown) => boolean) => boolean>
> = {
  any: (items, check) => items.some(check),
  all: (items, check) => items.every(check),
  first: (items, check) => check(items[0]),
  last: (items, check) => check(items.at(-1)),
}

function act(part: Part, bench: Bench, inventory: Json, budget: Budget): void {
  const action = member(actions, part.op) as (typeof actions)[string] | undefined
  if (!action) throw new InspectionRuleError(`there is no action ${part.op}`)
  const run = (scope: Scope) => {
    spend(budget, 'operations', 1)
    action.run(bench, filledIn(action, part, scope, budget))
  }
  const scope = scopeOf(bench, inventory)
  const scopes = itemsOf(part, scope, budget)?.map((item) => ({ ...scope, item })) ?? [scope]
  for (const each of scopes) run(each)
}

/** What a loop goes through, its texts filled in; undefined when there is no loop. An object is one item. */
function itemsOf({ loop }: Part, scope: Scope, budget: Budget): unknown[] | undefined {
  if (Array.isArray(loop) && loop.length > 0) return formatAll(loop, scope, budget) as unknown[]
  return isObject(loop) && Object.keys(loop).length > 0 ? [formatAll(loop, scope, budget)] : undefined
}

function filledIn(signature: Signature, part: Part, scope: Scope, budget: Budget): Arguments {
  const literal = signature.literal ?? []
  return Object.fromEntries(
    Object.entries(argumentsOf(signature, part.args)).map(([name, value]) => [
      name,
      literal.includes(name) ? value : formatAll(value, scope, budget),
    ]),
  )
}

/** What a sensitive rule consists of is not told by its failure either, but for what its `fail` means to tell. */
function failureOf(rule: AppliedRule, error: unknown): Error {
  if (error instanceof InspectionFailedByRule) return error
  if (!(error instanceof InspectionRuleError)) return error as Error
  const reason = rule.sensitive ? 'it could not be applied' : error.message
  return new InspectionRuleError(`Inspection rule ${rule.uuid}: ${reason}.`)
}

const copyOf = (value: object): Json => JSON.parse(JSON.stringify(value)) as Json
const pick = (from: Json, names: ReadonlySet<string>): Json =>
  Object.fromEntries([...names].map((name) => [name, from[name]]))
