/** The one family of errors that rooms throw and the API maps to a status: see `statusOf`. */

/** What went wrong, in the API's terms. */
export type ErrorCode =
  | 'invalid' // the request itself is wrong
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found' // absent, or hidden from this caller
  | 'method-not-allowed'
  | 'not-acceptable' // needs a newer microversion
  | 'conflict' // another state or another object stands in the way
  | 'too-large'
  | 'too-many' // throttled
  | 'unavailable' // a part this needs does not answer now; retrying may help

/** HTTP status of each code (RFC 9110). */
export const statusOf = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'not-acceptable': 406,
  conflict: 409,
  'too-large': 413,
  'too-many': 429,
  unavailable: 503,
} as const satisfies Record<ErrorCode, number>

/** An expected failure, worded for the caller: what is wrong and what to do about it. */
export class LeaseholdError extends Error {
  readonly code: ErrorCode
  /** Seconds after which trying again may help; becomes `Retry-After`. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; retryAfterSeconds?: number } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'LeaseholdError'
    this.code = code
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** The message of anything thrown, for `last_error` and logs. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
