/** What is cleared away while the service runs. */
import type { Logger } from 'pino'
import { purgeExpiredTokens } from './access/index.ts'
import { purgeAudit } from './audit/index.ts'
import type { Config } from './config.ts'
import type { Db } from './store/index.ts'

const everyMs = 60_000
const dayMs = 86_400_000

/** Starts the chores; the function that is returned ends them. */
export function startUpkeep(config: Config, db: Db, log: Logger): () => void {
  const chores: Readonly<Record<string, () => Promise<unknown>>> = {
    'expired tokens': () => purgeExpiredTokens(db),
    'old audit rows': () => purgeAudit(db, new Date(Date.now() - config['audit.retention_days'] * dayMs)),
  }
  const timer = setInterval(() => {
    for (const [what, purge] of Object.entries(chores))
      purge().catch((error: unknown) => log.warn({ err: error }, `${what} could not be purged`))
  }, everyMs)
  return () => clearInterval(timer)
}
