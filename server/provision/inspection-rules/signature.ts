/** The arguments of operators and actions: by name, or as a list in the order of the names. */
import { InspectionRuleError } from './budget.ts'

export type Arguments = Readonly<Record<string, unknown>>

export interface Signature {
  readonly required: readonly string[]
  readonly optional: readonly string[]
  /** Arguments whose braces are their own: fields are not filled in. */
  readonly literal?: readonly string[]
}

/** @throws InspectionRuleError naming what is missing or too much. */
export function argumentsOf(signature: Signature, given: unknown): Arguments {
  const names = [...signature.required, ...signature.optional]
  if (Array.isArray(given) && given.length > names.length)
    throw new InspectionRuleError(`args: at most ${names.length} are taken: ${names.join(', ')}`)
  const args = Array.isArray(given)
    ? Object.fromEntries(given.map((value, index) => [names[index], value]))
    : ((given ?? {}) as Record<string, unknown>)
  const missing = signature.required.filter((name) => !Object.hasOwn(args, name))
  const unknown = Object.keys(args).filter((name) => !names.includes(name))
  const problems = [
    ...(missing.length > 0 ? [`missing required argument(s): ${missing.join(', ')}`] : []),
    ...(unknown.length > 0
      ? [`unexpected argument(s): ${unknown.slice(0, 10).join(', ').slice(0, 200)}`]
      : []),
  ]
  if (problems.length > 0) throw new InspectionRuleError(`args: ${problems.join('; ')}`)
  return args
}
