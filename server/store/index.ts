/** PostgreSQL: the only state. Opens a database by URL, or starts the embedded server and opens that. */
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { startEmbedded } from './embedded.ts'
import { migrate } from './migrate.ts'
import { prepareStatements } from './prepare.ts'
import type { Database } from './tables.ts'

export type * from './consoles.ts'
export { AlreadyRunningError } from './embedded.ts'
export type * from './machine.ts'
export type * from './networking.ts'
export { plannedForItsValues, prepareStatements } from './prepare.ts'
export type * from './tables.ts'
export type { Database } from './tables.ts'

export type Db = Kysely<Database>

export interface Store {
  db: Db
  pool: pg.Pool
  /** Connection string that others (DBOS) open the same database with. */
  url: string
  /** Closes the pool and, when it is ours, stops the server. */
  close(): Promise<void>
}

export interface StoreOptions {
  /** PostgreSQL URL; without it the embedded server is started under `dataDir`. */
  url?: string | undefined
  dataDir: string
  /** Connections at most. */
  poolSize?: number
  /** Milliseconds after which a statement is given up. */
  statementTimeoutMs?: number
  /** Told of errors of idle connections, which nobody awaits. */
  onIdleError?: (error: Error) => void
  /** Told when the embedded server ends though nobody closed the store. */
  onLost?: () => void
}

/**
 * Opens the store and migrates it.
 * @throws AlreadyRunningError when another Leasehold has this data directory open.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const embedded =
    options.url === undefined ? await startEmbedded(options.dataDir, options.onLost) : undefined
  const url = options.url ?? (embedded as { url: string }).url
  const pool = new pg.Pool({
    connectionString: url,
    max: options.poolSize ?? 20,
    connectionTimeoutMillis: 10_000,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    idle_in_transaction_session_timeout: 60_000,
    application_name: 'leasehold',
  })
  // Of connections that are being closed nobody wants to hear.
  let closing = false
  pool.on('error', (error) => {
    if (!closing) options.onIdleError?.(error)
  })
  prepareStatements(pool)
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
  const close = async () => {
    closing = true
    await db.destroy()
    await embedded?.stop()
  }
  try {
    await migrate(db)
  } catch (error) {
    await close()
    throw error
  }
  return { db, pool, url, close }
}
