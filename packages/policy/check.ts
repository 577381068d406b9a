/** The syntax tree of a check, and how it is written back as text. */

/** Text with target keys in it, `lab-%(node.owner)s`: the literal pieces and the keys, in order. */
export type Template = readonly (string | { readonly key: string })[]

/**
 * One check, or several joined. In a comparison `null` is the word `None`: it holds for a value that is there and
 * null. No other comparison ever holds for a null.
 */
export type Check =
  | { readonly kind: 'always' }
  | { readonly kind: 'never' }
  | { readonly kind: 'role'; readonly role: string | Template }
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'compare'; readonly left: Left; readonly right: string | null | Template }
  | { readonly kind: 'not'; readonly check: Check }
  | { readonly kind: 'and' | 'or'; readonly checks: readonly Check[] }

/** The left side of a comparison: a credential by name, or a literal such as `'demo'`, `True`, `42` or `None`. */
export type Left = { readonly credential: string } | { readonly literal: string | null }

/** Writes a check in the policy language; `parseCheck` reads it back to an equal tree. */
export function printCheck(check: Check): string {
  switch (check.kind) {
    case 'always':
      return '@'
    case 'never':
      return '!'
    case 'role':
      return `role:${printValue(check.role)}`
    case 'rule':
      return `rule:${check.name}`
    case 'compare':
      return `${printLeft(check.left)}:${printValue(check.right)}`
    case 'not':
      return `not ${printOperand(check.check)}`
    case 'and':
    case 'or':
      return check.checks.map(printOperand).join(` ${check.kind} `)
  }
}

/** The target keys a value needs; none for a literal. */
export const keysOf = (value: string | null | Template): string[] =>
  typeof value === 'object' && value !== null
    ? value.flatMap((part) => (typeof part === 'string' ? [] : [part.key]))
    : []

const printOperand = (check: Check): string =>
  check.kind === 'and' || check.kind === 'or' ? `(${printCheck(check)})` : printCheck(check)

function printLeft(left: Left): string {
  if ('credential' in left) return left.credential
  if (left.literal === null) return 'None'
  return left.literal.includes("'") ? `"${left.literal}"` : `'${left.literal}'`
}

function printValue(value: string | null | Template): string {
  if (value === null) return 'None'
  if (typeof value === 'string') return escapePercent(value)
  return value.map((part) => (typeof part === 'string' ? escapePercent(part) : `%(${part.key})s`)).join('')
}

const escapePercent = (text: string): string => text.replaceAll('%', '%%')
