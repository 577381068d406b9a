/** Keeps switches as they are wanted: takes those that nobody keeps, and lets an actor do the work at each. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { messageOf } from '../errors.ts'
import { type Actor, type ActorDeps, startActor } from './actor.ts'
import { beat, leave, takeSwitches } from './keepers.sql.ts'
import { quarantineUnverified } from './links.sql.ts'
import { setRoles } from './roles.sql.ts'
import type { Switch } from './switches.sql.ts'
import { freeVlans } from './vlans.sql.ts'

export interface Keeper {
  stop(): Promise<void>
  census(): { switches: number; unreachable: number }
}

/** How often what is wanted is looked at, besides at once when the database tells of a change, milliseconds. */
const turnMs = 1_000
/** Silence after which others take a keeper's switches, milliseconds. */
const usualSilenceMs = 20_000
/** How often roles, VLANs and what else needs no hurry are looked at. */
const slowMs = 10_000
const channel = 'leasehold_networking'

export interface KeeperDeps extends Omit<ActorDeps, 'leaseHolds'> {
  databaseUrl: string
  /** Told when the database tells of a change. */
  changed?: () => void
  /** For tests, which have no time. */
  silentMs?: number
}

export function startKeeper(deps: KeeperDeps): Keeper {
  const { db, databaseUrl, config, log, silentMs = usualSilenceMs } = deps
  // How old the last proof of the lease may be for anything to be sent to a switch.
  const trustMs = silentMs / 4
  const id = randomUUID()
  const actors = new Map<string, { actor: Actor; fence: string }>()
  let provenAt = 0
  let slowAt = 0
  let stopping = false
  let timer: NodeJS.Timeout | undefined
  let current: Promise<void> | undefined
  let again = false
  let client: pg.Client | undefined

  const actorDeps: ActorDeps = { ...deps, leaseHolds: () => !stopping && Date.now() - provenAt < trustMs }

  const look = () => {
    if (stopping) return
    if (current) {
      again = true
      return
    }
    clearTimeout(timer)
    again = false
    current = turn()
      .catch((error: unknown) => log.warn({ reason: messageOf(error) }, 'switches could not be looked after'))
      .then(() => {
        current = undefined
        if (stopping) return
        timer = setTimeout(look, again ? 0 : turnMs * (0.9 + 0.2 * Math.random()))
      })
  }

  async function turn(): Promise<void> {
    await listen()
    const startedAt = Date.now()
    const rows = await beat(db, id)
    // As of before the question: the lease holds from then on.
    provenAt = startedAt
    await adopt(rows)
    await adopt(await takeSwitches(db, id, silentMs), false)
    const quarantined = await quarantineUnverified(db, config['networking.isolation_timeout_seconds'])
    if (quarantined.length > 0)
      log.error({ nodes: quarantined }, 'nodes that could not be verified to be isolated are in maintenance')
    if (Date.now() < slowAt) return
    slowAt = Date.now() + Math.min(slowMs, config['networking.poll_seconds'] * 1000)
    await setRoles(db, config, log)
    await freeVlans(db)
  }

  /** Starts or wakes the actors of the switches that are ours, and ends those of the others. */
  async function adopt(rows: readonly Switch[], all = true): Promise<void> {
    for (const row of rows) {
      const known = actors.get(row.id)
      if (known?.fence === row.fence) known.actor.wake(row)
      else {
        await known?.actor.stop()
        const actor = startActor(actorDeps, row, id)
        actors.set(row.id, { actor, fence: row.fence })
        actor.wake()
      }
    }
    if (!all) return
    const ours = new Set(rows.map((row) => row.id))
    for (const [switchId, { actor }] of actors)
      if (!ours.has(switchId)) {
        actors.delete(switchId)
        await actor.stop()
      }
  }

  /** Hears of changes at once; while it cannot, the next turn comes all the same. */
  async function listen(): Promise<void> {
    if (client || stopping) return
    const fresh = new pg.Client({
      connectionString: databaseUrl,
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      application_name: 'leasehold-networking',
    })
    const forget = () => {
      if (client === fresh) client = undefined
    }
    fresh.on('error', forget)
    fresh.on('end', forget)
    fresh.on('notification', () => {
      look()
      deps.changed?.()
    })
    try {
      await fresh.connect()
      await fresh.query(`LISTEN ${channel}`)
      client = fresh
    } catch (error) {
      await fresh.end().catch(() => {})
      throw error
    }
  }

  look()
  return {
    census: () => ({
      switches: actors.size,
      unreachable: [...actors.values()].filter(({ actor }) => actor.unreachable()).length,
    }),
    stop: async () => {
      stopping = true
      clearTimeout(timer)
      await current
      await Promise.all([...actors.values()].map(({ actor }) => actor.stop()))
      actors.clear()
      await leave(db, id).catch(() => {})
      const last = client
      client = undefined
      await last?.end().catch(() => {})
    },
  }
}
