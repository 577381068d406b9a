/** What transports of command lines carry: SSH shells, NX-API and the like. */
import type { Reply, Request } from '../types.ts'

/**
 * One command. Neighbouring `configure` lines are one conversation in configuration mode, in which sub-modes carry on
 * from line to line; a transport with a transaction makes them one.
 */
export type CliRequest = Request & {
  mode: 'exec' | 'configure'
  /** The answer is wanted as JSON: `| json` over SSH, structured output over an API. */
  json?: true
}

/** `failed`: the transport itself knows that it was an error (an API's error object). */
export type CliReply = Reply & { mode: CliRequest['mode']; failed?: true }
