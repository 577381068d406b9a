/** A set of rules: checked as a whole when loaded, then compiled to closures and judged. */
import { type Attributes, checkAttributes, nearest } from './attributes.ts'
import type { Check } from './check.ts'
import { compileCheck, type Test } from './compile.ts'
import { PolicyError } from './errors.ts'
import { type Explanation, explainCheck } from './explain.ts'
import { type CheckSource, parseCheck } from './parse.ts'
import { type Context, type Credentials, contextOf, type Target } from './values.ts'

/** What a token is for. One without system or domain is a project's, as in oslo.policy. */
export type Scope = 'system' | 'domain' | 'project'

/** A rule as it is written. Without `scopes` a token of any scope may satisfy it. */
export interface RuleDefinition {
  readonly name: string
  readonly check: CheckSource
  readonly scopes?: readonly Scope[] | null
}

export interface RuleOptions {
  /** The attributes that exist: a rule that names another is refused. Left out, any name is taken. */
  readonly attributes?: Attributes
  /** Target attributes that are the same for every target, such as `config.service_project_name`. */
  readonly constants?: Readonly<Record<string, string>>
}

export type Verdict = 'allowed' | 'denied' | 'wrong-scope'

/** Why a judgement came out as it did. `because` is one sentence; `check` is the whole tree. */
export interface Decision {
  readonly rule: string
  readonly verdict: Verdict
  readonly because: string
  readonly check: Explanation
}

export interface RuleSet {
  readonly names: readonly string[]
  has(name: string): boolean
  /** Prepares to judge many targets for one caller. @throws PolicyError for a name that is no rule */
  judge(credentials: Credentials): (name: string, target: Target) => Verdict
  /** Judges once and says why. @throws PolicyError for a name that is no rule */
  explain(name: string, credentials: Credentials, target: Target): Decision
}

/** The longest chain of `rule:` references. */
export const maxReferenceDepth = 32
/** The most single checks one judgement may take, counted through all `rule:` references. */
export const maxChecks = 2_000

/**
 * Loads rules; a later one of the same name replaces an earlier one. What cannot work is refused here: syntax, a
 * `rule:` that does not exist, rules that refer to each other in a circle, an attribute nothing has, a rule that
 * would take too long to judge.
 *
 * @throws PolicyError naming the rule; PolicySyntaxError with the column too
 */
export function loadRules(definitions: readonly RuleDefinition[], options: RuleOptions = {}): RuleSet {
  const scopes = new Map<string, readonly Scope[]>()
  const checks = new Map<string, Check>()
  for (const { name, check, scopes: allowed } of definitions) {
    checks.set(name, parseCheck(check, name))
    if (allowed) scopes.set(name, allowed)
    else scopes.delete(name)
  }
  const constants = options.constants ?? {}
  if (options.attributes !== undefined) {
    for (const [name, check] of checks) checkAttributes(name, check, options.attributes)
  }
  const tests = compileInOrder(checks, constants)

  const testOf = (name: string): Test => {
    const test = tests.get(name)
    if (test === undefined) throw new PolicyError(name, 'there is no rule of this name')
    return test
  }
  const inScope = (name: string, scope: Scope): boolean => scopes.get(name)?.includes(scope) ?? true

  return {
    names: [...checks.keys()],
    has: (name) => checks.has(name),

    judge(credentials) {
      const prepared = contextOf(credentials, {})
      const scope = scopeOf(credentials)
      return (name, target) => {
        const test = testOf(name)
        if (!inScope(name, scope)) return 'wrong-scope'
        return test({ credentials, roles: prepared.roles, target }) ? 'allowed' : 'denied'
      }
    },

    explain(name, credentials, target) {
      testOf(name)
      const context: Context = contextOf(credentials, { ...target, ...constants })
      const check = explainCheck(checks.get(name) as Check, checks, context)
      const scope = scopeOf(credentials)
      if (!inScope(name, scope)) {
        const wanted = scopes.get(name)?.join(' or ')
        const because = `the token is for a ${scope}, the rule wants one for a ${wanted}`
        return { rule: name, verdict: 'wrong-scope', because, check }
      }
      return { rule: name, verdict: check.holds ? 'allowed' : 'denied', because: check.because, check }
    },
  }
}

/** What the credentials' token is for. */
export function scopeOf(credentials: Credentials): Scope {
  if (credentials.system_scope) return 'system'
  return credentials.domain_id ? 'domain' : 'project'
}

/** Compiles each rule after those it refers to, so that a reference is a direct call. */
function compileInOrder(checks: ReadonlyMap<string, Check>, constants: Readonly<Record<string, string>>) {
  const tests = new Map<string, Test>()
  const size = new Map<string, { checks: number; depth: number }>()
  const path: string[] = []

  const visit = (name: string): void => {
    if (tests.has(name)) return
    if (path.includes(name)) {
      const cycle = [...path.slice(path.indexOf(name)), name].join(' -> ')
      throw new PolicyError(name, `the rules refer to each other in a circle: ${cycle}`)
    }
    if (path.length > maxReferenceDepth) {
      throw new PolicyError(name, `the chain of "rule:" references is longer than ${maxReferenceDepth}`)
    }
    const check = checks.get(name) as Check
    const references = referencesOf(check)
    path.push(name)
    for (const reference of references) {
      if (!checks.has(reference)) throw unknownReference(name, reference, [...checks.keys()])
      visit(reference)
    }
    path.pop()
    const inner = references.map((reference) => size.get(reference) as { checks: number; depth: number })
    const total = countLeaves(check) + inner.reduce((sum, each) => sum + each.checks, 0)
    const depth = 1 + Math.max(0, ...inner.map((each) => each.depth))
    if (total > maxChecks)
      throw new PolicyError(name, `it takes up to ${total} single checks, more than ${maxChecks}`)
    if (depth > maxReferenceDepth) {
      throw new PolicyError(name, `the chain of "rule:" references is longer than ${maxReferenceDepth}`)
    }
    size.set(name, { checks: total, depth })
    tests.set(
      name,
      compileCheck(check, (reference) => tests.get(reference) as Test, constants),
    )
  }

  for (const name of checks.keys()) visit(name)
  return tests
}

function unknownReference(rule: string, reference: string, names: readonly string[]): PolicyError {
  const near = nearest(reference, names)
  const remedy = near === undefined ? 'define it or remove the reference' : `is "rule:${near}" meant?`
  return new PolicyError(rule, `"rule:${reference}" refers to a rule that does not exist: ${remedy}`)
}

/** The rules a check names, one entry for each time it does. */
export const referencesOf = (check: Check): string[] =>
  check.kind === 'rule' ? [check.name] : partsOf(check).flatMap(referencesOf)

function countLeaves(check: Check): number {
  const parts = partsOf(check)
  return parts.length === 0 ? 1 : parts.reduce((sum, part) => sum + countLeaves(part), 0)
}

const partsOf = (check: Check): readonly Check[] =>
  check.kind === 'and' || check.kind === 'or' ? check.checks : check.kind === 'not' ? [check.check] : []
