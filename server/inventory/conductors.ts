/** The conductors: who lives, what each drives, and which of them is responsible for a node. */
import { createHash } from 'node:crypto'
import type { Selectable } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import type { ConductorsTable, Db } from '../store/index.ts'

export interface Conductor extends Selectable<ConductorsTable> {
  /** Online, and heard of within the liveness limit. */
  alive: boolean
}

export interface ConductorDirectory {
  all(): Promise<readonly Conductor[]>
  alive(): Promise<readonly Conductor[]>
}

/** How long a reading of the table is used, milliseconds: each request would read it otherwise. */
const freshMs = 1_000

/** Reads the conductors, at most once in a while. `livenessSeconds`: silence after which one counts as dead. */
export function createConductorDirectory(db: Db, livenessSeconds: number): ConductorDirectory {
  let reading: Promise<readonly Conductor[]> | undefined
  let readAt = Number.NEGATIVE_INFINITY
  const read = async () => {
    const rows = await db.selectFrom('conductors').selectAll().orderBy('id').execute()
    const limit = Date.now() - livenessSeconds * 1000
    return rows.map((row) => ({ ...row, alive: row.online && row.heartbeat_at.getTime() > limit }))
  }
  const all = () => {
    if (!reading || performance.now() - readAt > freshMs) {
      readAt = performance.now()
      const started = read()
      reading = started
      // A failed reading is not kept.
      started.catch(() => {
        if (reading === started) reading = undefined
      })
    }
    return reading
  }
  return { all, alive: async () => (await all()).filter((conductor) => conductor.alive) }
}

/** Those that drive `driver` in the conductor group. */
export const conductorsFor = (
  alive: readonly Conductor[],
  node: { driver: string; conductor_group: string },
): readonly Conductor[] =>
  alive.filter(
    (conductor) =>
      conductor.conductor_group === node.conductor_group && Object.hasOwn(conductor.drivers, node.driver),
  )

/**
 * The conductor that keeps a node: the same for everybody who asks, and for most nodes the same when another
 * conductor comes or goes (rendezvous hashing). Null when none can.
 */
export function responsibleFor(
  alive: readonly Conductor[],
  node: { uuid: string; driver: string; conductor_group: string },
): string | null {
  const able = conductorsFor(alive, node)
  if (able.length < 2) return able[0]?.hostname ?? null
  const scores = able.map(({ hostname }) => ({
    hostname,
    score: createHash('sha256').update(`${hostname} ${node.uuid}`).digest('hex'),
  }))
  return scores.reduce((best, each) => (each.score > best.score ? each : best)).hostname
}

/**
 * The driver's interfaces where a node is going to live.
 * @throws LeaseholdError 'unavailable' when no conductor lives, 'invalid' when none drives it.
 */
export function requireConductor(
  alive: readonly Conductor[],
  node: { driver: string; conductor_group: string },
): Conductor {
  if (alive.length === 0)
    throw new LeaseholdError('unavailable', 'Resource temporarily unavailable, please retry.', {
      retryAfterSeconds: 2,
    })
  const able = conductorsFor(alive, node)[0]
  if (able) return able
  const group = node.conductor_group === '' ? '' : ` in conductor group ${node.conductor_group}`
  const known = [...new Set(alive.flatMap((conductor) => Object.keys(conductor.drivers)))].sort()
  throw new LeaseholdError(
    'invalid',
    `No valid host was found. Reason: No conductor service registered which supports driver ${node.driver}${group}; drivers are: ${known.join(', ')}.`,
  )
}
