/** The one error this package throws, with a code a program can act on and a message a person can act on. */
import type { Difference, PortName } from './types.ts'

export type SwitchErrorCode =
  | 'unknown-port'
  | 'missing-vlan'
  | 'not-allowed'
  | 'unreachable'
  | 'auth'
  | 'host-key'
  | 'rejected'
  | 'not-verified'
  | 'save-failed'
  | 'partial'
  | 'timeout'
  | 'busy'
  | 'invalid'

/** What is known beside the message. */
export type SwitchErrorDetails = {
  /** The port the error is about. */
  port?: PortName
  /** The line (or operation) that the switch refused or left unanswered. */
  line?: string
  /** The switch's own words. */
  reply?: string
  /** What the switch says, against what was wanted. */
  differences?: readonly Difference[]
  /**
   * After a failed apply: whether the switch is known to be as it was before (`true`), known or feared not to be
   * (`false`). Absent if nothing had been sent.
   */
  restored?: boolean
  cause?: unknown
}

/**
 * What went wrong with one switch.
 *
 * | code | meaning |
 * | --- | --- |
 * | `unknown-port` | the switch has no such port |
 * | `missing-vlan` | a port was to be put into a VLAN that neither exists nor was asked for |
 * | `not-allowed` | a guard said no: port or VLAN not listed, uplink, peer link, foreign LAG, routed, management |
 * | `unreachable` | no connection, or it broke; also while the circuit breaker is open |
 * | `auth` | the switch does not take the name and password (or key) |
 * | `host-key` | the SSH host key or TLS certificate is not the expected one |
 * | `rejected` | the switch refused a line; `line` and `reply` say which and why |
 * | `not-verified` | all was accepted, but what the switch says afterwards is not what was wanted |
 * | `save-failed` | the change is in force but would not survive a restart of the switch |
 * | `partial` | a failed change could not be undone; `differences` says what is different from before |
 * | `timeout` | no answer in time |
 * | `busy` | somebody else holds the switch's configuration, or our queue is full |
 * | `invalid` | the request makes no sense (VLAN 5000, a name with a newline) |
 */
export class SwitchError extends Error {
  readonly code: SwitchErrorCode
  readonly port: PortName | undefined
  readonly line: string | undefined
  readonly reply: string | undefined
  readonly differences: readonly Difference[]
  readonly restored: boolean | undefined

  constructor(code: SwitchErrorCode, message: string, details: SwitchErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'SwitchError'
    this.code = code
    this.port = details.port
    this.line = details.line
    this.reply = details.reply
    this.differences = details.differences ?? []
    this.restored = details.restored
  }
}

/** The same error with more said about it: `more` is put behind the message, details are added. */
export function elaborate(error: SwitchError, more: string, details: SwitchErrorDetails = {}): SwitchError {
  return new SwitchError(error.code, more === '' ? error.message : `${error.message}; ${more}`, {
    ...given('port', error.port),
    ...given('line', error.line),
    ...given('reply', error.reply),
    ...given('restored', error.restored),
    differences: error.differences,
    cause: error.cause ?? error,
    ...details,
  })
}

/** Any thrown thing as a SwitchError; what we do not know is 'unreachable' with its message. */
export function asSwitchError(error: unknown, about: string): SwitchError {
  if (error instanceof SwitchError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new SwitchError('unreachable', `${about}: ${message}`, { cause: error })
}

function given<K extends string, V>(key: K, value: V | undefined): { [k in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [k in K]?: V })
}
