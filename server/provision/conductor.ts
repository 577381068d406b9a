/** A conductor: its row among the others, its claim on a host name, and what it does besides workflows. */
import { hash, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import pg from 'pg'
import { conductorDrivers } from '../hardware/index.ts'
import { type Desk, type LocalConductor, resume, workChannel } from './begin.ts'
import { sameGroup } from './choose-conductor.ts'
import { type Engine, startEngine } from './engine.ts'
import { every, type Loop } from './loop.ts'
import { type ReadFailures, syncPower } from './power-sync.ts'
import { pauseWork, type RecoveryDeps, reconcile, releaseRequestLocks, sweep } from './recovery.ts'

export interface Conductor extends LocalConductor {
  stop(): Promise<void>
}

/** See `Provisioner.start`. */
export async function startConductor(desk: Desk, host: string, databaseUrl: string): Promise<Conductor> {
  const { db, hardware, config, log } = desk
  const incarnation = randomUUID()
  const stopping = new AbortController()
  const loops: Loop[] = []
  const claim = await claimHost(desk, host, databaseUrl, () => loops[0]?.soon())
  let engine: Engine
  try {
    await releaseRequestLocks(db, host)
    engine = await startEngine({ db, databaseUrl, hardware, config, log, host }, incarnation)
  } catch (error) {
    await claim.release()
    throw error
  }

  const recovery: RecoveryDeps = {
    db,
    engine,
    config,
    log,
    host,
    drivers: [...hardware.types.keys()],
    resume: (uuid, outcome) => resume(desk, uuid, outcome),
  }
  try {
    await register(desk, host)
    await reconcile(recovery)
  } catch (error) {
    await engine.stop()
    await claim.release()
    throw error
  }

  const heartbeatMs = config['conductor.heartbeat_seconds'] * 1000
  const powerSyncMs = config['conductor.power_sync_seconds'] * 1000
  let failures: ReadFailures = new Map()
  loops.push(
    every(reconcileMs, log, 'looking for interrupted work', () => reconcile(recovery)),
    every(heartbeatMs, log, 'the heartbeat', async () => {
      await claim.renew()
      await beat(desk, host)
    }),
    every(heartbeatMs, log, 'looking after silent conductors and long waits', () => sweep(recovery)),
  )
  if (powerSyncMs > 0)
    loops.push(
      every(powerSyncMs, log, 'reading power states', async () => {
        const result = await syncPower({ db, hardware, config, log, host, signal: stopping.signal }, failures)
        failures = result.failures
      }),
    )
  // Whoever looks just after a start should not find power states of before.
  loops.at(-1)?.soon()

  return {
    host,
    serves: (node) =>
      !stopping.signal.aborted &&
      hardware.types.has(node.driver) &&
      sameGroup(node.conductor_group, config['conductor.group']),
    full: () => engine.full(),
    start: (node) => engine.start(node),
    stop: async () => {
      stopping.abort(new Error('the conductor stops'))
      await Promise.all([engine.stop(), ...loops.map((loop) => loop.stop())])
      await pauseWork(db, host)
      await db
        .updateTable('conductors')
        .set({ online: false, updated_at: sql`now()` })
        .where('hostname', '=', host)
        .execute()
      await claim.release()
    },
  }
}

/** How often a conductor looks for work that was asked of it or interrupted; notifications come sooner. */
const reconcileMs = 2_000

async function register(desk: Desk, host: string): Promise<void> {
  const row = {
    conductor_group: desk.config['conductor.group'],
    drivers: JSON.stringify(conductorDrivers(desk.hardware)),
    online: true,
    heartbeat_at: sql<Date>`now()`,
  }
  await desk.db
    .insertInto('conductors')
    .values({ hostname: host, ...row })
    .onConflict((conflict) => conflict.column('hostname').doUpdateSet({ ...row, updated_at: sql`now()` }))
    .execute()
}

async function beat(desk: Desk, host: string): Promise<void> {
  await desk.db
    .updateTable('conductors')
    .set({ heartbeat_at: sql`now()`, updated_at: sql`now()`, online: true })
    .where('hostname', '=', host)
    .execute()
}

interface Claim {
  /** Takes the claim anew when its connection was lost. @throws Error when another has it now. */
  renew(): Promise<void>
  release(): Promise<void>
}

/**
 * The claim on a host name: an advisory lock on a connection of its own, which goes with the process. The connection
 * also hears of work for this host.
 * @throws Error when another living process has the name.
 */
async function claimHost(desk: Desk, host: string, databaseUrl: string, onWork: () => void): Promise<Claim> {
  const key = BigInt.asIntN(64, BigInt(`0x${hash('sha256', `leasehold conductor ${host}`).slice(0, 16)}`))
  let client: pg.Client | undefined
  const connect = async () => {
    const fresh = new pg.Client({
      connectionString: databaseUrl,
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      application_name: 'leasehold-conductor',
    })
    const forget = () => {
      if (client === fresh) client = undefined
    }
    fresh.on('error', forget)
    fresh.on('end', forget)
    fresh.on('notification', ({ payload }) => payload === host && onWork())
    try {
      await fresh.connect()
      // A process that was killed a moment ago may still seem to have the lock.
      for (let attempt = 1; !(await tryLock(fresh, key)); attempt++) {
        if (attempt > claimAttempts)
          throw new Error(
            `Another process is the conductor "${host}" of this database: stop it, or set conductor.host to another name`,
          )
        await sleep(claimPauseMs)
      }
      await fresh.query(`LISTEN ${workChannel}`)
      client = fresh
    } catch (error) {
      await fresh.end().catch(() => {})
      throw error
    }
  }
  await connect()
  return {
    renew: async () => {
      if (client) return
      desk.log.warn('the connection that holds the name of this conductor was lost; taking it again')
      await connect()
    },
    release: async () => {
      const last = client
      client = undefined
      await last?.end().catch(() => {})
    },
  }
}
const claimAttempts = 20
const claimPauseMs = 100

async function tryLock(client: pg.Client, key: bigint): Promise<boolean> {
  const { rows } = await client.query<{ free: boolean }>('SELECT pg_try_advisory_lock($1) AS free', [
    key.toString(),
  ])
  return rows[0]?.free === true
}
