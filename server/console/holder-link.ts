/**
 * The connection by which a process holds its consoles: it says every second that the process lives, and hears of
 * changed nodes. Both on one connection, so that who still beats also still hears.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from 'pino'
import { consoleChannel } from './consoles.sql.ts'

export interface HolderLink {
  /** Whether what this process holds is surely still its own. Costs nothing to ask. */
  alive(): boolean
  close(): Promise<void>
}

export interface HolderLinkDeps {
  databaseUrl: string
  holder: string
  log: Logger
  /** A node of somebody's has changed. */
  onChange(nodeUuid: string): void
  /** Connected anew: changes may have gone unheard, also before the first time. */
  onConnected(): void
  /** Too long without a beat: all that was held is lost. */
  onLost(): void
}

const beatMs = 1_000
/** Silence after which the holder itself lets go: earlier than others take it (`silentMs`), by more than a beat takes. */
const ownLimitMs = 4_000
const reconnectMs = 500

/** Connects, and goes on connecting until closed. */
export function holdLink(deps: HolderLinkDeps): HolderLink {
  const ending = new AbortController()
  let beatAtMs = Number.NEGATIVE_INFINITY
  let lost = true
  let client: pg.Client | undefined

  const watchdog = setInterval(() => {
    if (lost || performance.now() - beatAtMs < ownLimitMs) return
    lost = true
    deps.log.warn('no contact with the database; the consoles of this process are given up')
    deps.onLost()
  }, 250)

  const session = async () => {
    const fresh = new pg.Client({
      connectionString: deps.databaseUrl,
      connectionTimeoutMillis: 3_000,
      query_timeout: 3_000,
      keepAlive: true,
      application_name: 'leasehold-consoles',
    })
    let broken = false
    fresh.on('error', () => {
      broken = true
    })
    fresh.on('end', () => {
      broken = true
    })
    fresh.on('notification', ({ payload }) => payload && deps.onChange(payload))
    try {
      await fresh.connect()
      client = fresh
      await fresh.query(`LISTEN ${consoleChannel}`)
      for (let first = true; !broken && !ending.signal.aborted; first = false) {
        // Counted from before the question: the answer may have taken long.
        const askedAtMs = performance.now()
        const { rowCount } = await fresh.query('UPDATE console_holders SET beat_at = now() WHERE id = $1', [
          deps.holder,
        ])
        if (rowCount === 0) throw new Error('this process is no longer among the holders of consoles')
        beatAtMs = askedAtMs
        if (first) {
          lost = false
          deps.onConnected()
        }
        await sleep(beatMs, undefined, { signal: ending.signal }).catch(() => {})
      }
    } finally {
      client = undefined
      await fresh.end().catch(() => {})
    }
  }

  const run = async () => {
    while (!ending.signal.aborted) {
      await session().catch((error: unknown) => {
        if (!ending.signal.aborted) deps.log.warn({ err: error }, 'the consoles’ connection was lost')
      })
      await sleep(reconnectMs, undefined, { signal: ending.signal }).catch(() => {})
    }
  }
  const running = run()

  return {
    alive: () => !lost && performance.now() - beatAtMs < ownLimitMs,
    async close() {
      clearInterval(watchdog)
      ending.abort()
      await client?.end().catch(() => {})
      await running
    },
  }
}
