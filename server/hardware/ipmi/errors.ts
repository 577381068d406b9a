/** What a BMC's refusal or silence means to whoever owns the node: the code, and the `driver_info` key to look at. */
import { IpmiError, type IpmiErrorCode } from '@leasehold/ipmi'
import { type ErrorCode, LeaseholdError } from '../../errors.ts'

/**
 * The error for callers. Its message begins with the BMC's address and holds no secret: the client's own holds none.
 * Anything but an IpmiError is returned as it is; of a call given up by its signal, the signal's reason.
 */
export function explain(error: unknown, signal: AbortSignal): unknown {
  if (!(error instanceof IpmiError)) return error
  if (error.code === 'aborted' && signal.aborted && signal.reason instanceof LeaseholdError)
    return signal.reason
  const { code, remedy, retryAfterSeconds } = meanings[error.code]
  // "Not supported in present state" is about the machine, not about the request.
  const actual = error.completionCode === 0xd5 ? 'conflict' : code
  return new LeaseholdError(actual, remedy ? `${error.message}. ${remedy}` : `${error.message}.`, {
    cause: error,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}

interface Meaning {
  code: ErrorCode
  remedy: string
  retryAfterSeconds?: number
}

const meanings: Readonly<Record<IpmiErrorCode, Meaning>> = {
  unreachable: {
    code: 'unavailable',
    remedy: 'Check ipmi_address and ipmi_port in driver_info, and the network to the BMC.',
  },
  'wrong-password': { code: 'invalid', remedy: 'Correct ipmi_username and ipmi_password in driver_info.' },
  'unknown-user': { code: 'invalid', remedy: 'Correct ipmi_username and ipmi_password in driver_info.' },
  'wrong-bmc-key': { code: 'invalid', remedy: 'Correct ipmi_hex_kg_key in driver_info.' },
  'insufficient-privilege': {
    code: 'invalid',
    remedy: 'Correct ipmi_priv_level or ipmi_username in driver_info, or give that user the privilege.',
  },
  busy: { code: 'unavailable', remedy: '', retryAfterSeconds: 5 },
  malformed: { code: 'unavailable', remedy: 'Check ipmi_address and ipmi_port in driver_info.' },
  unsupported: {
    code: 'invalid',
    remedy: 'If the BMC refuses the cipher suite, set ipmi_cipher_suite in driver_info.',
  },
  'session-lost': { code: 'unavailable', remedy: '', retryAfterSeconds: 5 },
  taken: { code: 'conflict', remedy: '', retryAfterSeconds: 5 },
  'command-failed': { code: 'invalid', remedy: '' },
  timeout: { code: 'unavailable', remedy: '', retryAfterSeconds: 5 },
  aborted: { code: 'unavailable', remedy: '' },
  overloaded: { code: 'unavailable', remedy: '', retryAfterSeconds: 10 },
  closed: { code: 'unavailable', remedy: '', retryAfterSeconds: 10 },
  'invalid-argument': { code: 'invalid', remedy: 'Correct driver_info.' },
}
