/** Talking to the BMC of a node: which cipher suite it takes is learnt, and failures are told in the node's terms. */
import { type CallOptions, type IpmiClient, IpmiError, type Target } from '@leasehold/ipmi'
import type { Node } from '../types.ts'
import { type BmcAccess, type CipherSuiteId, readBmcAccess } from './driver-info.ts'
import { explain } from './errors.ts'

export type Call<T> = (client: IpmiClient, target: Target, options: CallOptions) => Promise<T>

/** Does `call` at the BMC of `node`. */
export type AskBmc = <T>(
  node: Node,
  bounds: { signal: AbortSignal; deadlineMs?: number },
  call: Call<T>,
) => Promise<T>

/**
 * Makes the way to BMCs over one client.
 * What it throws is LeaseholdError: 'invalid' when driver_info or the login is wrong or the BMC refuses the request,
 * 'unavailable' when it does not answer or is busy, 'conflict' when the machine's state forbids it.
 */
export function createAskBmc(client: IpmiClient): AskBmc {
  const suites = createSuiteMemory()

  return async (node, { signal, deadlineMs }, call) => {
    const access = readBmcAccess(node)
    const options = { signal, ...(deadlineMs === undefined ? {} : { deadlineMs }) }
    try {
      return await withSuite(access, suites, (target) => call(client, target, options))
    } catch (error) {
      throw explain(error, signal)
    }
  }
}

/**
 * Tries the cipher suites in turn until the BMC takes one. Only its refusal of a suite leads to the next: silence or
 * a wrong password does not.
 */
async function withSuite<T>(
  access: BmcAccess,
  suites: SuiteMemory,
  call: (target: Target) => Promise<T>,
): Promise<T> {
  const [first, ...others] = suites.order(access)
  try {
    return await call({ ...access.target, ...(first === undefined ? {} : { cipherSuite: first }) })
  } catch (error) {
    for (const suite of others) {
      if (!isSuiteRefusal(error)) break
      const result = await call({ ...access.target, cipherSuite: suite })
      suites.remember(access, suite)
      return result
    }
    throw error
  }
}

/** A refusal while the session was opened; a command's own refusal has a completion code. */
const isSuiteRefusal = (error: unknown): boolean =>
  error instanceof IpmiError && error.code === 'unsupported' && error.completionCode === undefined

interface SuiteMemory {
  /** The suites to try: the one that last worked first. */
  order(access: BmcAccess): readonly CipherSuiteId[]
  remember(access: BmcAccess, suite: CipherSuiteId): void
}

/** Which suite each BMC took, by address, so that the refused one is not tried before every command. */
function createSuiteMemory(): SuiteMemory {
  const taken = new Map<string, CipherSuiteId>()
  const keyOf = ({ target }: BmcAccess) => JSON.stringify([target.address, target.port])
  return {
    order(access) {
      const known = taken.get(keyOf(access))
      if (known === undefined || access.cipherSuites.length === 1) return access.cipherSuites
      return [known, ...access.cipherSuites.filter((suite) => suite !== known)]
    },
    remember(access, suite) {
      const oldest = taken.keys().next()
      if (taken.size >= mostRemembered && !oldest.done) taken.delete(oldest.value)
      taken.set(keyOf(access), suite)
    },
  }
}

const mostRemembered = 20_000
