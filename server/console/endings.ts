/** How an ending and a refusal are said in a WebSocket's close code (RFC 6455, 7.4.2), and read again. */
import { type ErrorCode, LeaseholdError } from '../errors.ts'
import type { Ending } from './types.ts'

const codeOfEnding: Readonly<Record<Ending, number>> = {
  unauthenticated: 4401,
  forbidden: 4403,
  'lease-ended': 4410,
  disabled: 4409,
  expelled: 4408,
  full: 4429,
  unavailable: 1013,
  stopping: 1012,
}

const codeOfError: Readonly<Partial<Record<ErrorCode, number>>> = {
  unauthenticated: 4401,
  forbidden: 4403,
  'not-found': 4404,
  conflict: 4409,
  'too-many': 4429,
  invalid: 4400,
}

export const closeCodeOf = (ending: Ending): number => codeOfEnding[ending]

/** The close code and text for whatever went wrong; texts are bounded by the protocol. */
export function closeCodeFor(error: unknown): { code: number; text: string } {
  if (!(error instanceof LeaseholdError)) return { code: 1011, text: 'unexpected failure; see the log' }
  return {
    code: codeOfError[error.code] ?? 1013,
    text: Buffer.from(error.message).subarray(0, 120).toString(),
  }
}

/** What a close code means to who has lost a connection by it; undefined for one after which to try again. */
export const endingOfCode = (code: number): Ending | undefined =>
  (Object.keys(codeOfEnding) as Ending[]).find(
    (ending) => codeOfEnding[ending] === code && ending !== 'unavailable' && ending !== 'stopping',
  ) ?? (code === 4404 ? 'lease-ended' : undefined)
