/** Says requests to a switch and judges the answers with its dialect. */
import { SwitchError } from './errors.ts'
import type { Dialect, Reply, Request, Session, SwitchState } from './types.ts'

/**
 * Sends all, or throws at the first answer that is not good.
 *
 * @throws SwitchError 'rejected' with the line and the switch's words, 'busy' where trying again makes sense
 */
export async function say(
  session: Session,
  dialect: Dialect,
  requests: readonly Request[],
  timeoutMs: number,
): Promise<readonly Reply[]> {
  if (requests.length === 0) return []
  const good = (reply: Reply): boolean => dialect.classify(reply).is === 'ok'
  // One slow answer is allowed for, and for each further request a little more.
  const replies = await session.send(requests, good, { timeoutMs: timeoutMs + requests.length * 250 })
  const bad = replies.findIndex((reply) => !good(reply))
  if (bad >= 0) throw refusal(dialect, replies[bad] as Reply)
  if (replies.length !== requests.length)
    throw new SwitchError(
      'unreachable',
      `only ${replies.length} of ${requests.length} requests were answered; the next was ${requests[replies.length]?.line}`,
      { line: requests[replies.length]?.line ?? '' },
    )
  return replies
}

/** Sends what may be refused (dropping a checkpoint that is not there). Only a broken session is an error. */
export async function trySay(
  session: Session,
  requests: readonly Request[],
  timeoutMs: number,
): Promise<void> {
  if (requests.length > 0) await session.send(requests, () => true, { timeoutMs })
}

export async function readState(session: Session, dialect: Dialect, timeoutMs: number): Promise<SwitchState> {
  const replies = await say(session, dialect, dialect.readRequests(), timeoutMs)
  try {
    return dialect.parseState(replies)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new SwitchError('unreachable', `what the switch said cannot be read: ${why}`, { cause: error })
  }
}

function refusal(dialect: Dialect, reply: Reply): SwitchError {
  const verdict = dialect.classify(reply)
  const words = verdict.is === 'ok' ? '' : verdict.reply
  const { line, port } = reply
  const about = { line, reply: words, ...(port === undefined ? {} : { port }) }
  const where = port === undefined ? '' : ` (for ${port})`
  if (verdict.is === 'retry')
    return new SwitchError('busy', `the switch is busy at "${line}"${where}: ${words}`, about)
  const code = verdict.is === 'error' ? (verdict.code ?? 'rejected') : 'rejected'
  return new SwitchError(code, `the switch refused "${line}"${where}: ${words}`, about)
}
