/** What the database's refusals say to a caller. */
import { LeaseholdError } from '../errors.ts'

/**
 * PostgreSQL's states that say it cannot answer now (classes 08, 53, 57; 40: it gave up one of two transactions that
 * waited for each other), and values it cannot hold (class 22); undefined for what nobody foresaw.
 */
export function fromDatabase(error: unknown): LeaseholdError | undefined {
  const { code, message } = error as { code?: unknown; message?: string }
  const state = typeof code === 'string' ? code : ''
  if (
    /^(08|40|53|57)...$|^(ECONNREFUSED|ECONNRESET|ENOENT|EPIPE)$/.test(state) ||
    /timeout exceeded when trying|Connection terminated/.test(message ?? '')
  )
    return new LeaseholdError('unavailable', 'Resource temporarily unavailable, please retry.', {
      cause: error,
      retryAfterSeconds: 1,
    })
  if (/^22...$/.test(state))
    return new LeaseholdError('invalid', `A value cannot be stored: ${message}`, { cause: error })
  return undefined
}
