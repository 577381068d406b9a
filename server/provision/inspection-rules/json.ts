/** JSON values by path. Only own keys count, whatever they are called: `__proto__` is a key like any other. */
import { InspectionRuleError } from './budget.ts'

export type Json = Record<string, unknown>

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** `a.b`, `/a/b` or `a/b` as keys. */
export function keysOf(path: unknown): string[] {
  const keys = Array.isArray(path)
    ? path.map(String)
    : typeof path === 'string'
      ? path.includes('/')
        ? path.replace(/^\/|\/$/g, '').split('/')
        : path.split('.')
      : []
  if (keys.length === 0 || keys.length > 32 || keys.some((key) => key === ''))
    throw new InspectionRuleError('"path" must be keys with dots or slashes between them')
  return keys
}

/** The member of an object or list; undefined when there is none. */
export function member(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return /^\d{1,9}$/.test(key) ? value[Number(key)] : undefined
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

export function setMember(target: Json, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true })
}

/** Sets what is at the keys, making objects on the way. */
export function setAt(target: Json, keys: readonly string[], value: unknown): void {
  const holder = holderOf(target, keys)
  setMember(holder, keys.at(-1) as string, value)
}

/** Adds to the list at the keys, which is made when there is none. */
export function extendAt(target: Json, keys: readonly string[], value: unknown, unique: boolean): void {
  const holder = holderOf(target, keys)
  const key = keys.at(-1) as string
  const present = member(holder, key) ?? []
  if (!Array.isArray(present))
    throw new InspectionRuleError(`${keys.join('.')} is not a list, so nothing can be added to it`)
  const text = JSON.stringify(value)
  if (unique && present.some((each) => JSON.stringify(each) === text)) return
  setMember(holder, key, [...present, value])
}

/** Removes what is at the keys; false when there is nothing. */
export function removeAt(target: Json, keys: readonly string[]): boolean {
  const holder = keys.slice(0, -1).reduce<unknown>((value, key) => member(value, key), target)
  const key = keys.at(-1) as string
  if (!isObject(holder) || !Object.hasOwn(holder, key)) return false
  return delete holder[key]
}

/** The object that holds, or will hold, what is at the keys. */
function holderOf(target: Json, keys: readonly string[]): Json {
  return keys.slice(0, -1).reduce<Json>((holder, key) => {
    const next = member(holder, key)
    if (next === undefined || next === null) {
      const made: Json = {}
      setMember(holder, key, made)
      return made
    }
    if (!isObject(next)) throw new InspectionRuleError(`${keys.join('.')}: "${key}" is not an object`)
    return next
  }, target)
}
