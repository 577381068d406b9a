/** What a check compares: credentials on one side, the target's attributes on the other. */
import type { Template } from './check.ts'

/** Who asks: the attributes of a validated token. Nested objects are reached with dots, lists match by any element. */
export interface Credentials {
  readonly roles: readonly string[]
  readonly system_scope?: string | null
  readonly domain_id?: string | null
  readonly [name: string]: unknown
}

/** What is asked about. Keys are whole, `node.owner` is one key. A missing key and a null are not the same. */
export type Target = Readonly<Record<string, string | number | boolean | null | undefined>>

/** All that one judgement looks at. */
export interface Context {
  readonly credentials: Credentials
  /** `credentials.roles` in lower case. */
  readonly roles: ReadonlySet<string>
  readonly target: Target
}

export const contextOf = (credentials: Credentials, target: Target): Context => ({
  credentials,
  roles: new Set(credentials.roles.map((role) => role.toLowerCase())),
  target,
})

/** Text as the language compares it; booleans are Python's words. Undefined for what has no text: null, objects. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return typeof value === 'number' ? String(value) : undefined
}

/** The target's value, else the credential of that name: Ironic puts a copy of the credentials in every target. */
export function targetValue(context: Context, key: string): unknown {
  const value = context.target[key]
  return value === undefined ? context.credentials[key] : value
}

/** A template's text; undefined if a key is missing or null. */
export function fill(context: Context, template: Template): string | undefined {
  let text = ''
  for (const part of template) {
    const piece = typeof part === 'string' ? part : textOf(targetValue(context, part.key))
    if (piece === undefined) return undefined
    text += piece
  }
  return text
}

/** Every value a credential's path leads to: one, or one for each element of the lists on the way. */
export function credentialValues(credentials: Credentials, path: string): unknown[] {
  let values: unknown[] = [credentials]
  for (const name of path.split('.')) {
    values = values.flatMap((value) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, name)
        ? [(value as Record<string, unknown>)[name]].flat()
        : [],
    )
  }
  return values
}
