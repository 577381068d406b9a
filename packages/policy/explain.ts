/** Says why a check holds or fails, with the values that were compared. For operators: it shows attributes. */
import { type Check, keysOf, printCheck, type Template } from './check.ts'
import { type Context, credentialValues, fill, targetValue, textOf } from './values.ts'

/** One check with its outcome; `parts` are the checks it is made of. */
export interface Explanation {
  readonly check: string
  readonly holds: boolean
  readonly because: string
  readonly parts: readonly Explanation[]
}

/** Explains a check, following its `rule:` references in `rules`, all of which must exist and be free of cycles. */
export function explainCheck(check: Check, rules: ReadonlyMap<string, Check>, context: Context): Explanation {
  const explain = (inner: Check): Explanation => explainCheck(inner, rules, context)
  const told = (holds: boolean, because: string, parts: readonly Explanation[] = []): Explanation => ({
    check: printCheck(check),
    holds,
    because,
    parts,
  })
  switch (check.kind) {
    case 'always':
      return told(true, 'everybody may')
    case 'never':
      return told(false, 'nobody may')
    case 'role':
      return told(...explainRole(check.role, context))
    case 'rule': {
      const inner = explain(rules.get(check.name) as Check)
      return told(inner.holds, inner.because, [inner])
    }
    case 'compare':
      return told(...explainComparison(check, context))
    case 'not': {
      const inner = explain(check.check)
      return told(!inner.holds, inner.because, [inner])
    }
    case 'and': {
      const parts = check.checks.map(explain)
      const failed = parts.filter((part) => !part.holds)
      const deciding = failed.length > 0 ? failed : parts
      return told(failed.length === 0, sentence(deciding, ' and '), parts)
    }
    case 'or': {
      const parts = check.checks.map(explain)
      const held = parts.find((part) => part.holds)
      return told(held !== undefined, held?.because ?? sentence(parts, '; '), parts)
    }
  }
}

/** The tree as indented lines, one a check: `fails  project_id:%(node.owner)s  (project_id is "a", ...)`. */
export function renderExplanation(explanation: Explanation, indent = ''): string {
  const { check, holds, because, parts } = explanation
  const reason = parts.length === 0 ? `  (${because})` : ''
  const line = `${indent}${holds ? 'holds' : 'fails'}  ${check}${reason}`
  return [line, ...parts.map((part) => renderExplanation(part, `${indent}  `))].join('\n')
}

type Outcome = [holds: boolean, because: string]

const sentence = (parts: readonly Explanation[], joint: string): string =>
  [...new Set(parts.map((part) => part.because))].join(joint)

function explainRole(role: string | Template, context: Context): Outcome {
  const wanted = typeof role === 'string' ? role : fill(context, role)
  if (wanted === undefined) return [false, missing(role as Template, context)]
  const holds = context.roles.has(wanted.toLowerCase())
  const roles = context.credentials.roles.join(', ') || 'none'
  return [
    holds,
    holds ? `the caller has role ${wanted}` : `role ${wanted} is not among the caller's: ${roles}`,
  ]
}

function explainComparison(check: Extract<Check, { kind: 'compare' }>, context: Context): Outcome {
  const { left, right } = check
  const values = 'literal' in left ? [left.literal] : credentialValues(context.credentials, left.credential)
  const leftName = 'literal' in left ? undefined : left.credential
  const leftSays = leftName === undefined ? show(values[0]) : describe(leftName, values)
  if (right === null) return [values.includes(null), leftSays]
  if ('literal' in left && left.literal === null) {
    const key = typeof right !== 'string' && right.length === 1 ? keysOf(right)[0] : undefined
    if (key === undefined) return [false, `${show(right)} is not null`]
    const value = targetValue(context, key)
    return [value === null, describe(key, value === undefined ? [] : [value])]
  }
  const wanted = typeof right === 'string' ? right : fill(context, right)
  if (wanted === undefined) return [false, missing(right as Template, context)]
  const holds = values.some((value) => textOf(value) === wanted)
  const keys = keysOf(right).join(', ')
  if (holds) return [true, `${leftSays}${keys === '' ? '' : `, as ${keys}`}`]
  return [false, `${leftSays}, ${keys === '' ? `not ${show(wanted)}` : `but ${keys} is ${show(wanted)}`}`]
}

function missing(template: Template, context: Context): string {
  const key = keysOf(template).find((name) => textOf(targetValue(context, name)) === undefined) as string
  return targetValue(context, key) === undefined ? `${key} is not set` : `${key} is null`
}

function describe(name: string, values: readonly unknown[]): string {
  if (values.length === 0) return `${name} is not set`
  return `${name} is ${values.map(show).join(', ')}`
}

const show = (value: unknown): string =>
  value === null || value === undefined ? 'null' : JSON.stringify(textOf(value) ?? value)
