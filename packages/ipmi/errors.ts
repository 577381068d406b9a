/** The one error this package throws, with a code a program can act on and a message a person can act on. */

export type IpmiErrorCode =
  | 'unreachable'
  | 'wrong-password'
  | 'wrong-bmc-key'
  | 'unknown-user'
  | 'insufficient-privilege'
  | 'busy'
  | 'malformed'
  | 'unsupported'
  | 'session-lost'
  | 'command-failed'
  | 'taken'
  | 'timeout'
  | 'aborted'
  | 'overloaded'
  | 'closed'
  | 'invalid-argument'

/**
 * What went wrong with one BMC. The message says what to do about it and never holds a password or key.
 * `completionCode` is the BMC's own answer (IPMI 2.0, table 5-2) when there was one.
 */
export class IpmiError extends Error {
  readonly code: IpmiErrorCode
  readonly completionCode: number | undefined
  /** address:port of the BMC, set once it is known whom the error is about. */
  bmc: string | undefined

  constructor(code: IpmiErrorCode, message: string, completionCode?: number) {
    super(message)
    this.name = 'IpmiError'
    this.code = code
    this.completionCode = completionCode
  }
}

/** Names the BMC in front of the message, once. */
export function aboutBmc(error: unknown, bmc: string): unknown {
  if (!(error instanceof IpmiError) || error.bmc !== undefined) return error
  const named = new IpmiError(error.code, `BMC ${bmc}: ${error.message}`, error.completionCode)
  named.bmc = bmc
  return named
}

/** The error for a completion code other than 00h, in answer to the named command. */
export function completionError(command: string, completionCode: number): IpmiError {
  const hex = `0x${completionCode.toString(16).padStart(2, '0')}`
  const known = completionCodes[completionCode]
  const words =
    known?.words ?? (completionCode >= 0x80 && completionCode < 0xc0 ? 'command-specific' : 'unknown')
  return new IpmiError(
    known?.code ?? 'command-failed',
    `${command} was refused with completion code ${hex} (${words})${known?.advice ? `; ${known.advice}` : ''}`,
    completionCode,
  )
}

/** The error for an RMCP+ status code (IPMI 2.0, table 13-15) in the answer to a session-opening message. */
export function statusError(message: string, status: number, username: string): IpmiError {
  const hex = `0x${status.toString(16).padStart(2, '0')}`
  const known = statusCodes[status]
  const advice = known?.advice.replace('%u', JSON.stringify(username)) ?? 'see the BMC’s own log'
  return new IpmiError(
    known?.code ?? 'unsupported',
    `${message} was refused with status ${hex} (${known?.words ?? 'unknown'}); ${advice}`,
  )
}

type Meaning = { words: string; code: IpmiErrorCode; advice: string }

const completionCodes: Readonly<Record<number, Meaning>> = {
  192: { words: 'node busy', code: 'busy', advice: 'try again later' },
  193: { words: 'invalid command', code: 'unsupported', advice: 'this BMC does not know the command' },
  194: { words: 'command invalid for given LUN', code: 'unsupported', advice: '' },
  195: { words: 'timeout while processing command', code: 'busy', advice: 'try again later' },
  196: { words: 'out of space', code: 'command-failed', advice: '' },
  199: { words: 'request data length invalid', code: 'command-failed', advice: '' },
  201: { words: 'parameter out of range', code: 'command-failed', advice: '' },
  203: { words: 'requested data not present', code: 'command-failed', advice: '' },
  204: {
    words: 'invalid data field in request',
    code: 'command-failed',
    advice: 'this BMC does not take that value',
  },
  211: { words: 'destination unavailable', code: 'command-failed', advice: '' },
  212: {
    words: 'insufficient privilege level',
    code: 'insufficient-privilege',
    advice: 'use an account or privilege level that may do this',
  },
  213: {
    words: 'not supported in present state',
    code: 'command-failed',
    advice: 'the machine’s power state does not allow it; read the power state first',
  },
  255: { words: 'unspecified error', code: 'command-failed', advice: '' },
}

const restart: Pick<Meaning, 'code' | 'advice'> = {
  code: 'session-lost',
  advice: 'the session is opened anew',
}
const suite: Pick<Meaning, 'code' | 'advice'> = {
  code: 'unsupported',
  advice: 'choose a cipher suite this BMC allows (3 or 17)',
}
const role: Pick<Meaning, 'code' | 'advice'> = {
  code: 'insufficient-privilege',
  advice:
    'user %u may not have that privilege level; ask for a lower one or raise the user’s limit in the BMC',
}
const full: Pick<Meaning, 'code' | 'advice'> = {
  code: 'busy',
  advice: 'too many sessions are open on it; try again later or close others',
}
const user: Pick<Meaning, 'code' | 'advice'> = {
  code: 'unknown-user',
  advice: 'user %u does not exist, is disabled or locked, or may not use IPMI over LAN',
}

const statusCodes: Readonly<Record<number, Meaning>> = {
  1: { words: 'insufficient resources to create a session', ...full },
  2: { words: 'invalid session id', ...restart },
  3: { words: 'invalid payload type', code: 'unsupported', advice: 'this BMC does not speak RMCP+ properly' },
  4: { words: 'invalid authentication algorithm', ...suite },
  5: { words: 'invalid integrity algorithm', ...suite },
  6: { words: 'no matching authentication payload', ...suite },
  7: { words: 'no matching integrity payload', ...suite },
  8: { words: 'inactive session id', ...restart },
  9: { words: 'invalid role', ...role },
  10: { words: 'unauthorised role or privilege level', ...role },
  11: { words: 'insufficient resources for the requested role', ...full },
  12: { words: 'invalid name length', ...user },
  13: { words: 'unauthorised name', ...user },
  14: { words: 'unauthorised GUID', ...restart },
  15: {
    words: 'invalid integrity check value',
    code: 'wrong-password',
    advice: 'check the password of user %u',
  },
  16: { words: 'invalid confidentiality algorithm', ...suite },
  17: { words: 'no cipher suite matches', ...suite },
  18: {
    words: 'illegal or unrecognised parameter',
    code: 'unsupported',
    advice: 'this BMC refuses the request',
  },
}
