/** Asking a BMC, before any session, what it speaks (IPMI 2.0, 13.9 and 22.13). */
import {
  type ChannelAuthentication,
  getChannelAuthentication,
  readChannelAuthentication,
} from './commands.ts'
import { converse, type Patience, unlessAborted } from './converse.ts'
import { IpmiError } from './errors.ts'
import type { Target } from './target.ts'
import type { Transport } from './transport.ts'
import { decodeResponse, encodePlain, encodeRequest, isMalformed } from './wire/index.ts'

/**
 * Sends Get Channel Authentication Capabilities outside a session.
 *
 * @throws IpmiError 'unreachable' if no sensible answer comes; the signal's reason when it fires
 */
export async function discover(
  target: Pick<Target, 'address' | 'port'>,
  transport: Transport,
  patience: Patience,
  signal: AbortSignal,
): Promise<ChannelAuthentication> {
  const peer = await unlessAborted(transport.resolve(target.address, target.port ?? 623), signal)
  const { netFn, command, data = [] } = getChannelAuthentication
  const question = encodePlain(encodeRequest({ netFn, command, data: Buffer.from(data), sequence: 1 }))
  const answer = await converse<ChannelAuthentication>({
    send: () => transport.sendPlain(peer, question),
    listen: (judge) => transport.watch(peer, { onPlain: (packet) => judge(0, packet.payload) }),
    judge: (_type, payload) => {
      const response = decodeResponse(payload)
      if (isMalformed(response) || response.command !== command || response.completionCode !== 0) return
      const known = readChannelAuthentication(response.data)
      return known && { accepted: known }
    },
    patience,
    signal,
  })
  if (answer === undefined) {
    throw new IpmiError(
      'unreachable',
      'no answer; check its address and port and that IPMI over LAN is enabled',
    )
  }
  return answer
}
