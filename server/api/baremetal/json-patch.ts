/** JSON PATCH (RFC 6902) as the Bare Metal API has it: add, replace and remove, one operation at a time. */
import { isDeepStrictEqual } from 'node:util'
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'

export interface PatchOperation {
  op: 'add' | 'replace' | 'remove'
  path: string
  value?: unknown
}

type Resource = Record<string, unknown>

/** Schema of a PATCH body. */
export const patchBody = Type.Array(
  Type.Object(
    {
      op: Type.Union([Type.Literal('add'), Type.Literal('replace'), Type.Literal('remove')]),
      path: Type.String({ pattern: '^(/([^~/]|~0|~1)+)+$', maxLength: 1024 }),
      value: Type.Optional(Type.Unknown()),
    },
    { additionalProperties: false },
  ),
  { maxItems: 1000 },
)

/** The attribute that an operation is about: the first segment of its path. */
export const rootOf = (operation: PatchOperation): string => segmentsOf(operation.path)[0] ?? ''

/**
 * Applies a patch to a copy of `resource` and returns the copy and the roots whose value differs now.
 * Removing a root gives it `cleared[root]`, null when there is none.
 * @throws LeaseholdError 'invalid' with the operation that does not fit.
 */
export function applyPatch(
  resource: Resource,
  operations: readonly PatchOperation[],
  cleared: Readonly<Record<string, unknown>>,
): { result: Resource; changed: string[] } {
  let result = resource
  for (const operation of operations) {
    const segments = segmentsOf(operation.path)
    const [root = '', ...inner] = segments
    if (operation.op !== 'remove' && operation.value === undefined)
      throw failed(operation, 'a value is missing')
    if (inner.length === 0) {
      const value = operation.op === 'remove' ? (cleared[root] ?? null) : operation.value
      result = { ...result, [root]: value }
    } else result = { ...result, [root]: within(result[root], inner, operation) }
  }
  const roots = new Set(operations.map(rootOf))
  return { result, changed: [...roots].filter((root) => !isDeepStrictEqual(resource[root], result[root])) }
}

/** The value with the operation applied below it; nothing is changed in place. */
function within(target: unknown, segments: readonly string[], operation: PatchOperation): unknown {
  const [key = '', ...rest] = segments
  if (Array.isArray(target)) return withinArray(target, key, rest, operation)
  if (target === null || typeof target !== 'object')
    throw failed(operation, `${JSON.stringify(key)} is not in an object or a list`)
  const object = target as Resource
  const present = Object.hasOwn(object, key)
  if (rest.length > 0) {
    if (!present) throw failed(operation, `member '${key}' not found`)
    return withKey(object, key, within(object[key], rest, operation))
  }
  if (operation.op === 'add') return withKey(object, key, operation.value)
  if (!present) throw failed(operation, `can't ${operation.op} a non-existent object '${key}'`)
  if (operation.op === 'replace') return withKey(object, key, operation.value)
  return Object.fromEntries(Object.entries(object).filter(([each]) => each !== key))
}

/** `{...object, [key]: value}`, also when the key is `__proto__`. */
const withKey = (object: Resource, key: string, value: unknown): Resource =>
  Object.fromEntries([...Object.entries(object).filter(([each]) => each !== key), [key, value]])

function withinArray(
  list: readonly unknown[],
  key: string,
  rest: readonly string[],
  operation: PatchOperation,
): unknown[] {
  const appends = key === '-' && operation.op === 'add' && rest.length === 0
  const index = appends ? list.length : /^(0|[1-9]\d{0,8})$/.test(key) ? Number(key) : -1
  const last = operation.op === 'add' && rest.length === 0 ? list.length : list.length - 1
  if (index < 0 || index > last) throw failed(operation, `there is no item '${key}' in the list`)
  if (rest.length > 0) return list.toSpliced(index, 1, within(list[index], rest, operation))
  if (operation.op === 'remove') return list.toSpliced(index, 1)
  return list.toSpliced(index, operation.op === 'add' ? 0 : 1, operation.value)
}

const segmentsOf = (path: string): string[] =>
  path
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))

const failed = (operation: PatchOperation, reason: string): LeaseholdError =>
  new LeaseholdError(
    'invalid',
    `Couldn't apply patch '${operation.op} ${operation.path.slice(0, 200)}'. Reason: ${reason}`,
  )
