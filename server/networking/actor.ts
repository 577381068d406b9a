/**
 * The one who talks to a switch: applies what is wanted, has it read back, records it, and looks for what somebody
 * else has changed. One of them a switch, over all processes: its lease's fencing number is in every write.
 */
import { messageOf } from '../errors.ts'
import { type Held, journalOf, noteSwitch } from './keepers.sql.ts'
import { freeLagNumbers, lagNumbersOf } from './lags.sql.ts'
import { dueLinks, type Link, noteDrift, noteFailed, noteVerified, settledLinks } from './links.sql.ts'
import type { Switch } from './switches.sql.ts'
import { intentOf, type LagNumbers, optionsOf, targetOf } from './target.ts'
import type { NetworkingDeps, OpenSwitch, SwitchHandle } from './types.ts'
import { leavingVlans, nodePortsOf, noteVlan, noteVlanGone, vlansOfSwitch } from './vlans.sql.ts'

export interface Actor {
  /** Looks for work now, or once more after the present turn. */
  wake(row?: Switch): void
  /** Whether the last thing that was tried failed for the switch itself. */
  unreachable(): boolean
  /** Lets what is under way end, and closes the switch. */
  stop(): Promise<void>
}

export interface ActorDeps extends Omit<NetworkingDeps, 'databaseUrl' | 'open'> {
  open: OpenSwitch
  /** Whether the lease was confirmed a moment ago: without, nothing is sent to the switch. */
  leaseHolds(): boolean
}

interface Opened {
  handle: SwitchHandle
  /** What it was opened with. */
  key: string
  unwatch?: () => Promise<void>
}

/** A failure of the whole switch, not of one port. */
const ofSwitch = new Set(['unreachable', 'auth', 'host-key', 'timeout', 'busy', 'invalid'])

export function startActor(deps: ActorDeps, first: Switch, keeper: string): Actor {
  const { db, config } = deps
  const held: Held = { switchId: first.id, keeper, fence: first.fence }
  const log = deps.log.child({ switch: first.name })
  let row = first
  let opened: Opened | undefined
  let current: Promise<void> | undefined
  let again = false
  let stopped = false
  let unreachable = false
  // Somebody may have written to it while nobody kept it.
  let checkAt = Date.now()

  const nextCheck = () => Date.now() + config['networking.poll_seconds'] * 1000

  const wake = (fresh?: Switch) => {
    if (fresh) {
      if (fresh.version !== row.version) checkAt = 0
      row = fresh
    }
    if (stopped) return
    if (current) {
      again = true
      return
    }
    again = false
    current = turn()
      .catch((error: unknown) => log.warn({ err: error }, 'a turn at a switch failed; it is tried again'))
      .then(() => {
        current = undefined
        if (again) wake()
      })
  }

  async function turn(): Promise<void> {
    const due = await dueLinks(db, row.id)
    const leaving = await leavingVlans(db, row.id)
    const checks = Date.now() >= checkAt
    if ((due.length === 0 && leaving.length === 0 && !checks) || !deps.leaseHolds()) return
    const links = due.filter(({ pending }) => pending)
    let handle: SwitchHandle
    try {
      handle = await ready()
    } catch (error) {
      await failed(links, error)
      // What cannot be opened is not reached by trying each second: somebody has to change it, which wakes us.
      checkAt = nextCheck()
      return
    }
    // Each by itself: the library makes one session of what comes together, and lets a bad one fail alone.
    await Promise.all(bundles(due).map((bundle) => apply(handle, bundle)))
    for (const vlan of await leavingVlans(db, row.id)) {
      if (stopped || !deps.leaseHolds()) return
      await removeVlan(handle, vlan)
    }
    await freeLagNumbers(db, row.id)
    if (checks && !stopped) {
      checkAt = nextCheck()
      await check(handle)
    }
  }

  /** The switch, opened with what may be touched of it now. */
  async function ready(): Promise<SwitchHandle> {
    const [ports, vlans] = [await nodePortsOf(db, row.id), await vlansOfSwitch(db, row.id)]
    const key = JSON.stringify([row.version, ports, vlans])
    if (opened?.key === key) return opened.handle
    await close()
    const credentials = row.sealed_credentials ? deps.vault.open(row.uuid, row.sealed_credentials) : {}
    const handle = deps.open(targetOf(row, credentials), {
      ...optionsOf(row, ports, vlans),
      journal: journalOf(db, held),
    })
    const fresh: Opened = { handle, key }
    opened = fresh
    // Where it tells of changes we need not ask so often, and know at once.
    const changed = () => {
      checkAt = 0
      wake()
    }
    void handle
      .watch?.(changed)
      .then((unwatch) => {
        fresh.unwatch = unwatch
        if (opened !== fresh) void unwatch().catch(() => {})
      })
      .catch((error: unknown) => log.debug({ reason: messageOf(error) }, 'cannot watch this switch'))
    return handle
  }

  async function close(): Promise<void> {
    const last = opened
    opened = undefined
    await last?.unwatch?.().catch(() => {})
    await last?.handle.close().catch(() => {})
  }

  /** What is asked of the library at once: the members of a LAG together, every other port by itself. */
  function bundles(due: readonly Link[]): Link[][] {
    const groupOf = ({ wanted, switchPortId }: Link) =>
      wanted.mode !== 'idle' && wanted.lag ? `lag ${wanted.lag.group}` : switchPortId
    return [...Map.groupBy(due, groupOf).values()]
  }

  async function apply(handle: SwitchHandle, links: Link[]): Promise<void> {
    try {
      if (!deps.leaseHolds()) return
      await handle.apply(await wantedOf(links))
      await noteVerified(db, held, links)
      await reached()
    } catch (error) {
      await failed(
        links.filter(({ pending }) => pending),
        error,
      )
    }
  }

  async function wantedOf(links: readonly Link[]) {
    const vlans = new Map<number, { id: number; name?: string }>()
    const ports: Record<string, ReturnType<typeof intentOf>> = {}
    for (const link of links) {
      const { wanted } = link
      let lag: LagNumbers | undefined
      if (wanted.mode === 'idle') vlans.set(row.quarantine_vlan, { id: row.quarantine_vlan })
      else {
        for (const { vlan, network } of [wanted, ...(wanted.tagged ?? [])]) {
          const name = await noteVlan(db, row.id, vlan, network)
          vlans.set(vlan, { id: vlan, ...(name === null ? {} : { name }) })
        }
        if (wanted.lag) {
          // Without LACP nothing would notice a cable in the wrong machine.
          if (wanted.lag.protocol !== 'lacp')
            throw new Error('a port group is put onto a switch with LACP only; give it mode 802.3ad')
          lag = await lagNumbersOf(db, row, wanted.lag.group, link.spread)
        }
      }
      ports[link.name] = intentOf(row, link, lag)
    }
    return { vlans: [...vlans.values()], ports }
  }

  async function removeVlan(
    handle: SwitchHandle,
    vlan: Awaited<ReturnType<typeof leavingVlans>>[number],
  ): Promise<void> {
    try {
      if (vlan.ours) await handle.apply({ removeVlans: [{ id: vlan.vlan, name: vlan.name }] })
      await noteVlanGone(db, held, vlan.id)
    } catch (error) {
      log.warn(
        { vlan: vlan.vlan, reason: messageOf(error) },
        'a VLAN stays on the switch, and is not used again',
      )
    }
  }

  /** Compares what the switch says with what it was verified to be. */
  async function check(handle: SwitchHandle): Promise<void> {
    // Whoever reads first puts in order what a keeper before us has left; there may be no port to ask of.
    if (row.unfinished !== null) await handle.read([]).catch((error: unknown) => failed([], error))
    const links = await settledLinks(db, row.id)
    for (const bundle of bundles(links)) {
      if (stopped || !deps.leaseHolds()) return
      try {
        const { differences } = await handle.plan(await wantedOf(bundle))
        const names = bundle.map(({ name }) => name)
        const drift = differences.length > 0 ? { differences, ports: names } : null
        const repair = drift !== null && config['networking.repair_drift']
        if (drift) log.warn({ drift, repair }, 'a switch port is not as it was left')
        for (const link of bundle) if (drift || link.drifted) await noteDrift(db, held, link, drift, repair)
        if (repair) again = true
        await reached()
      } catch (error) {
        if (isOfSwitch(error)) {
          await failed([], error)
          return
        }
        for (const link of bundle) await noteDrift(db, held, link, { error: messageOf(error) }, false)
      }
    }
  }

  async function reached(): Promise<void> {
    if (!unreachable && row.state === 'ok') return
    unreachable = false
    row = { ...row, state: 'ok' }
    await noteSwitch(db, held, 'ok', null)
  }

  async function failed(links: readonly Link[], error: unknown): Promise<void> {
    const reason = messageOf(error)
    log.warn({ ports: links.map(({ name }) => name), reason }, 'a switch is not as wanted; it is tried again')
    await noteFailed(db, held, links, reason, {
      first: config['networking.retry_ms'],
      most: Math.max(30_000, config['networking.retry_ms']),
    })
    if (!isOfSwitch(error)) return
    unreachable = true
    row = { ...row, state: 'unreachable' }
    await noteSwitch(db, held, 'unreachable', reason.slice(0, 1000))
  }

  return {
    wake,
    unreachable: () => unreachable,
    stop: async () => {
      stopped = true
      await current
      await close()
    },
  }
}

const isOfSwitch = (error: unknown): boolean => {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && (ofSwitch.has(code) || code === 'unavailable')
}
