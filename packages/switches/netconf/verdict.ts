/** What an answer over NETCONF means, whatever the vendor: by the tags of RFC 6241. */
import type { NetconfReply } from '../transports/netconf-messages.ts'
import type { Verdict } from '../types.ts'

export type Wording = {
  /** Messages that mean: somebody else is at the configuration, nothing was done. */
  busy?: RegExp
  /** Messages that mean: the VLAN does not exist. */
  missingVlan?: RegExp
}

export function verdictOn(reply: NetconfReply, { busy, missingVlan }: Wording = {}): Verdict {
  const [first] = reply.errors
  if (first === undefined) return { is: 'ok' }
  const some = (tags: readonly string[], words?: RegExp) =>
    reply.errors.some(({ tag, message }) => tags.includes(tag) || words?.test(message))
  if (some(['lock-denied', 'in-use'], busy)) return { is: 'retry', reply: reply.text }
  if (some(['access-denied'])) return { is: 'error', code: 'auth', reply: reply.text }
  if (some([], missingVlan)) return { is: 'error', code: 'missing-vlan', reply: reply.text }
  return { is: 'error', reply: reply.text }
}

/** Words in a description by which operators mark ports that nobody should touch. */
export const reservedWords = /\b(uplink|peer-?link|peer-?keepalive|mgmt|management)\b/i

/** How long a switch waits for the confirmation of a commit; between the two the state is read back. */
export const confirmSeconds = 120
