/** Giving SOL and its session back, within about a second whatever the BMC does. */
import type { Patience } from './converse.ts'
import type { Link } from './link.ts'
import { commandOf, deactivateSol, readAnswer } from './sol-watch.ts'

/** Ends SOL and its session politely. Of SOL that another session has by now, only our session is ended. */
export async function leave(link: Link, own: readonly number[], mayAsk: boolean): Promise<void> {
  let ours = true
  if (mayAsk) {
    const reply = await link
      .exchange(commandOf('owner'), brief, new AbortController().signal)
      .catch(() => undefined)
    // A BMC that answers nothing would keep us for another second.
    if (reply === undefined) return link.abandon()
    if (reply.completionCode === 0) {
      const response = { ...reply, sequence: 0, netFn: 0, command: 0 }
      ours = readAnswer({ question: 'owner', proven: true }, response, own).kind === 'ours'
    }
  }
  await farewell(link, ours)
}

/** Ends the session, and SOL before it if that is ours. */
export async function farewell(link: Link, deactivate: boolean): Promise<void> {
  if (deactivate) {
    const reply = await link
      .exchange(deactivateSol, brief, new AbortController().signal)
      .catch(() => undefined)
    if (reply === undefined) return link.abandon()
  }
  await link.close(brief).catch(() => {})
}

const brief: Patience = { tries: 2, replyTimeoutMs: 150, growth: 1, exchangeTimeoutMs: 300 }
