/** What the database refuses, put into words. */
import { type ErrorCode, LeaseholdError } from '../errors.ts'

/** For each constraint, by its name: what kind of error breaking it is, and what to tell the caller. */
export type Constraints<Values> = Readonly<Record<string, readonly [ErrorCode, (values: Values) => string]>>

/**
 * Runs a write of `values`.
 * @throws LeaseholdError as `constraints` say when it breaks one of them (uniqueness or reference).
 */
export async function worded<Values, T>(
  constraints: Constraints<Values>,
  values: Values,
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const { code, constraint } = error as { code?: string; constraint?: string }
    const broken = code === '23505' || code === '23503' ? constraints[constraint ?? ''] : undefined
    throw broken ? new LeaseholdError(broken[0], broken[1](values), { cause: error }) : error
  }
}
