/** What is asked of a BMC and what it answers: the words `commands.ts` and `boot.ts` are written in. */
import { completionError, IpmiError } from './errors.ts'

/**
 * One IPMI command. `once` marks one that must not be carried out twice for one request (power cycle, NMI):
 * it is repeated only as the very same datagram, which a BMC that saw it drops.
 */
export type Command = {
  name: string
  netFn: number
  command: number
  data?: readonly number[]
  once?: boolean
}

export type Reply = { completionCode: number; data: Buffer }

/** Sends one command within a session, opening or renewing the session as needed. */
export type Send = (command: Command) => Promise<Reply>

/** Something done to one BMC by one or more commands, which no other request to that account interleaves. */
export type Operation<T> = (send: Send) => Promise<T>

/**
 * Sends a command that must succeed and gives its data.
 *
 * @throws IpmiError for any completion code but 00h; 'malformed' if the answer has fewer than `atLeast` bytes
 */
export async function demand(send: Send, command: Command, atLeast = 0): Promise<Buffer> {
  const { completionCode, data } = await send(command)
  if (completionCode !== 0) throw completionError(command.name, completionCode)
  if (data.length < atLeast) {
    const words = `${command.name} was answered with ${data.length} bytes where at least ${atLeast} belong`
    throw new IpmiError('malformed', `${words}; update the BMC’s firmware or reset the BMC`)
  }
  return data
}
