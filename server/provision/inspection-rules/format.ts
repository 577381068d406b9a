/**
 * Texts of rules with fields in braces, as Python's `str.format` has them: `{inventory[cpu][count]}`,
 * `{node.driver}`, `{item[name]}`; `{{` and `}}` are braces. What a field stands for is only ever inserted, never
 * read as a text with fields itself: a machine cannot ask for what is not its own.
 */
import { type Budget, spend } from './budget.ts'
import { isObject, type Json, member } from './json.ts'

/** What fields may begin with: node, inventory, plugin_data, and item within a loop. */
export type Scope = Readonly<Record<string, unknown>>

/** Members of these names are never inserted. */
const secretName = /password|passphrase|secret|token|private_key|configdrive/i
const masked = '***'

/** The text with its fields filled in; as it is when one of them does not exist or is malformed. */
export function format(text: string, scope: Scope, budget: Budget): string {
  let whole = true
  const filled = text.replace(parts, (part, name: string | undefined) => {
    if (part === '{{' || part === '}}') return part.slice(1)
    const value = name === undefined ? undefined : fieldOf(name, scope)
    if (value === undefined) whole = false
    if (!whole) return part
    const shown = textOf(value)
    spend(budget, 'characters', shown.length)
    return shown
  })
  return whole ? filled : text
}
const parts = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g

/** The same for every text in a JSON value, keys too. */
export function formatAll(value: unknown, scope: Scope, budget: Budget): unknown {
  spend(budget, 'operations', 1)
  if (typeof value === 'string') return format(value, scope, budget)
  if (Array.isArray(value)) return value.map((item) => formatAll(item, scope, budget))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      format(key, scope, budget),
      formatAll(inner, scope, budget),
    ]),
  )
}

/** What a value is as a text: Python's words for the constants, JSON for the rest. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === null || value === undefined) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number') return String(value)
  return JSON.stringify(value, (key, inner) => (secretName.test(key) ? masked : inner))
}

const field = /^([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*|\[[^[\]]+\])*)(?:![rsa])?$/
const step = /\.([A-Za-z_]\w*)|\[([^[\]]+)\]/g

function fieldOf(text: string, scope: Scope): unknown {
  const [, first = '', rest = ''] = field.exec(text) ?? []
  if (first === '' || !Object.hasOwn(scope, first)) return undefined
  let value = scope[first]
  for (const [, dotted, bracketed] of rest.matchAll(step)) {
    const key = dotted ?? bracketed ?? ''
    value = member(value as Json, key)
    if (value === undefined) return undefined
    if (secretName.test(key)) return masked
  }
  return value
}
