/** Compares copies with Neutron, in pages, and makes them what it says: what is gone there is isolated here. */
import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../../config.ts'
import { LeaseholdError, messageOf } from '../../errors.ts'
import { roleOptions } from '../roles.sql.ts'
import { writeAnew } from './bindings.sql.ts'
import {
  dropNetwork,
  dropPort,
  forgetUnused,
  isolateNetwork,
  knownNetworks,
  type PortCopy,
  portsOfNetworks,
  putNetwork,
  setPortUp,
  takeDueNetworks,
} from './copies.sql.ts'
import { mostIds, type UpstreamNetwork, type UpstreamPort } from './neutron.ts'
import { repeat, type UpstreamDeps } from './write.ts'

const turnMs = 1_000

const missing = (ids: readonly string[], found: readonly { id: string }[]): string[] =>
  ids.filter((id) => !found.some((each) => each.id === id))

const rolesOf = (config: Config): string[] =>
  Object.values(roleOptions).flatMap((option) => config[option]?.toLowerCase() ?? [])

/** Copies the operator's networks, before a node is in them. */
export async function fetchRoles(deps: UpstreamDeps): Promise<void> {
  const { db, config, log, neutron } = deps
  if ((await neutron.seesAll()) === false)
    log.error(
      { user: config['keystone.username'] },
      'Neutron does not show the user of keystone.username what networks are made of: give it the roles admin and service on keystone.project',
    )
  const roles = rolesOf(config)
  const known = await knownNetworks(db, roles)
  const unknown = roles.filter((id) => !known.includes(id))
  for (const network of await neutron.networks(unknown)) await put(deps, network)
}

export function startComparing(deps: UpstreamDeps) {
  const { db, config, log, neutron } = deps
  const everySeconds = config['networking.poll_seconds']
  // They were fetched a moment ago.
  let rolesAt = Date.now() + everySeconds * 1000

  const loop = repeat(log, turnMs, async (stopping) => {
    if (Date.now() >= rolesAt) {
      rolesAt = Date.now() + everySeconds * 1000
      await fetchRoles(deps)
      await forgetUnused(db, rolesOf(config))
    }
    while (!stopping()) {
      const due = await takeDueNetworks(db, everySeconds, mostIds)
      if (due.length === 0) return
      await compare(due)
    }
  })
  return { ...loop, wake: () => {} }

  async function compare(ids: readonly string[]): Promise<void> {
    const networks = await neutron.networks(ids)
    for (const network of networks) await put(deps, network)
    for (const id of await gone(missing(ids, networks), neutron.networks)) {
      log.warn({ network: id }, 'a network is gone from Neutron: whatever was in it is isolated')
      await dropNetwork(db, id)
    }
    let after: string | undefined
    do {
      const page = await portsOfNetworks(db, ids, after, mostIds)
      const copies = new Map(page.map((copy) => [copy.id, copy]))
      const ports = await neutron.ports([...copies.keys()])
      for (const port of ports) await comparePort(copies.get(port.id), port)
      for (const id of await gone(missing([...copies.keys()], ports), neutron.ports)) {
        log.warn({ port: id, node: copies.get(id)?.host }, 'a port is gone from Neutron: it is off its node')
        await dropPort(db, id)
      }
      after = page.length === mostIds ? page.at(-1)?.id : undefined
    } while (after !== undefined)
  }

  /**
   * Those that are gone, of those that were not shown: asked for again between two proofs that nothing is hidden from
   * us, as everything is from a user that has lost its role.
   */
  async function gone(
    ids: readonly string[],
    list: (ids: readonly string[]) => Promise<{ id: string }[]>,
  ): Promise<string[]> {
    if (ids.length === 0) return []
    const before = await neutron.seesAll()
    const absent = missing(ids, await list(ids))
    if (before && (await neutron.seesAll())) return absent
    log.warn({ ids }, 'Neutron shows none of its networks: what was attached stays as it is')
    return []
  }

  async function comparePort(copy: PortCopy | undefined, port: UpstreamPort): Promise<void> {
    if (!copy) return
    await setPortUp(db, copy.id, port.up)
    // Drivers of Neutron may add to a profile what is theirs.
    const same =
      copy.host === port.host &&
      isDeepStrictEqual(copy.profile.local_link_information, port.profile.local_link_information)
    if (same || !copy.written) return
    const repair = config['networking.repair_drift']
    log.warn({ port: copy.id, node: copy.host, found: port.host, repair }, 'a binding was changed in Neutron')
    if (repair) await writeAnew(db, copy.id)
  }
}

/** Makes a network's copy what Neutron says; what can not be had so is isolated until it can. */
async function put(
  { db, config, log }: UpstreamDeps,
  { segment, ...network }: UpstreamNetwork,
): Promise<void> {
  try {
    if (!segment) throw new LeaseholdError('invalid', 'it is no VLAN')
    const everySeconds = config['networking.poll_seconds']
    await db.transaction().execute((trx) => putNetwork(trx, { ...network, segment }, everySeconds))
  } catch (error) {
    if (!(error instanceof LeaseholdError)) throw error
    log.error(
      { network: network.id, segment, reason: messageOf(error) },
      'a network can not be had as Neutron has it: whatever is in it is isolated',
    )
    await isolateNetwork(db, network.id)
  }
}
