/** What is cleared away while the service runs. */
import type { Logger } from 'pino'
import { purgeExpiredTokens } from './access/index.ts'
import type { Db } from './store/index.ts'

const everyMs = 60_000

/** Starts the chores; the function that is returned ends them. */
export function startUpkeep(db: Db, log: Logger): () => void {
  const timer = setInterval(() => {
    purgeExpiredTokens(db).catch((error: unknown) =>
      log.warn({ err: error }, 'expired tokens could not be purged'),
    )
  }, everyMs)
  return () => clearInterval(timer)
}
