/** Who reads journals at the moment: each costs processor time and an open file, so a project has a bounded share of it. */
import { finished } from 'node:stream'
import { LeaseholdError } from '../../errors.ts'
import type { Call } from '../baremetal/routes.ts'

const mostAtOnce = 8
/** A client that takes nothing for so long is hung up on. */
const stalledMs = 120_000

/** How many a project reads here; those who speak for none are counted by user. */
const reading = new Map<string, number>()

/**
 * Counts a download or search until its answer is through.
 *
 * @returns a signal that ends it when the client is gone
 * @throws LeaseholdError 'too-many' when the caller's project has as many under way as it may
 */
export function beginReading({ caller, reply }: Call): AbortSignal {
  const who = caller.projectId ?? `user ${caller.userId}`
  const before = reading.get(who) ?? 0
  if (before >= mostAtOnce)
    throw new LeaseholdError(
      'too-many',
      `This project has ${before} downloads and searches of journals under way, as many as it may; try again when one has ended.`,
      { retryAfterSeconds: 5 },
    )
  reading.set(who, before + 1)
  const gone = new AbortController()
  reply.raw.setTimeout(stalledMs, () => void reply.raw.destroy())
  finished(reply.raw, () => {
    gone.abort()
    const left = (reading.get(who) ?? 1) - 1
    if (left > 0) reading.set(who, left)
    else reading.delete(who)
  })
  return gone.signal
}
