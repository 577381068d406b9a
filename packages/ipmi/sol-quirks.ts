/** What real BMCs do differently about Serial over LAN, and what we make of it. Names are FreeIPMI's where it has one. */

/** Flags for what cannot be told from the BMC's answers. Everything else is noticed without a flag: see docs/ipmi.md. */
export const solQuirks = {
  solpayloadsize: 'It names payload sizes that are wrong: assume that 28 characters fit into a packet.',
  solport: 'It names another UDP port for SOL than the session’s, and means the session’s.',
  solstatus:
    'Do not ask who has SOL (4Ah, 4Bh): it refuses or misunderstands that. Theft is not noticed then.',
  serialalertsdeferred: 'It refuses SOL while alerts use the serial line: have them wait instead of fail.',
  solpacketseq: 'It gets stuck on a packet: send the characters under another number before giving up.',
  solcharactercount:
    'It counts the accepted characters wrongly: take every acknowledgement as one of them all.',
  solcloseowner:
    'The end of a session that had SOL ends SOL for whoever has it then: when taking it, close that session, too.',
} as const

export type SolQuirk = keyof typeof solQuirks

/** Characters for the machine in a packet, as the BMC's answer to Activate Payload has it. */
export function charactersPerPacket(inboundSize: number, quirks: ReadonlySet<SolQuirk>): number {
  if (quirks.has('solpayloadsize')) return usualCharacters
  const swapped = ((inboundSize & 0xff) << 8) | (inboundSize >> 8)
  // Some BMCs write the size with its bytes the other way round; no UDP packet holds what that would mean.
  const size = [inboundSize, swapped].find(isPlausible)
  return size === undefined ? usualCharacters : Math.min(size - solHeaderBytes, mostCharacters)
}

/** Whether the port that the BMC names is the session's, perhaps as a BMC behind a port mapping knows it. */
export function isSessionPort(port: number, sessionPort: number): boolean {
  const swapped = ((port & 0xff) << 8) | (port >> 8)
  return [0, 0xffff, ipmiPort, sessionPort].some((known) => known === port || known === swapped)
}

/** Whether an id that the BMC gives for the owner of SOL is one of these, in either order of bytes. */
export function isOneOf(id: number, own: readonly number[]): boolean {
  const swapped = ((id & 0xff) << 24) | ((id & 0xff00) << 8) | ((id >>> 8) & 0xff00) | (id >>> 24)
  return own.includes(id) || own.includes(swapped >>> 0)
}

const solHeaderBytes = 4
const ipmiPort = 623
const usualCharacters = 28
/** What the count in an acknowledgement can express. */
const mostCharacters = 255

const isPlausible = (size: number): boolean => size > solHeaderBytes && size <= 1_024
