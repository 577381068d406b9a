/**
 * The Neutron that holds networks and ports: what is attached is read from it and copied, bindings are written back,
 * and copies are compared with it. While it does not answer, everything stays as it was; what takes a machine out of
 * a network never waits for it.
 */
import type { Logger } from 'pino'
import { createServiceSession } from '../../access/index.ts'
import { type Config, ConfigError } from '../../config.ts'
import { LeaseholdError, messageOf } from '../../errors.ts'
import type { Db } from '../../store/index.ts'
import { fetchRoles, startComparing } from './compare.ts'
import { countForeign, putNetwork, putPort } from './copies.sql.ts'
import { createNeutronClient, type UpstreamNetwork, type UpstreamPort } from './neutron.ts'
import { startWriting } from './write.ts'

export { bindingsOfNode, countBindings, type NodeBinding } from './bindings.sql.ts'

/** What Neutron has said of a port that is to be attached. */
export interface Found {
  port: UpstreamPort
  network: UpstreamNetwork & { segment: NonNullable<UpstreamNetwork['segment']> }
}

export interface Upstream {
  /**
   * A port that a node's tenant may use, and its network.
   * @throws LeaseholdError 'not-found', the same for what is absent and what is another's; 'invalid' for what can not
   *   be put onto a switch; 'conflict' for what is bound elsewhere; 'unavailable' while Neutron does not answer.
   */
  find(portId: string, tenant: string | null, nodeUuid: string): Promise<Found>
  /** Copies it, in the transaction that attaches it. */
  copy(trx: Db, found: Found): Promise<void>
  /**
   * Whose a port is that a caller sees there, asked with the caller's own token; undefined for one that it does not.
   * @throws LeaseholdError 'unavailable'.
   */
  projectOf(token: string, portId: string): Promise<string | null | undefined>
  /** Begins to write back and to compare, once the operator's networks are known or Neutron has not answered. */
  start(): Promise<void>
  /** Looks for what is to be written back now. */
  wake(): void
  stop(): Promise<void>
}

export function createUpstream({ db, config, log }: { db: Db; config: Config; log: Logger }): Upstream {
  const session = createServiceSession(config, log, {
    type: 'network',
    url: config['neutron.url'],
    region: config['neutron.region'],
    version: '/v2.0',
    timeoutMs: config['neutron.timeout_seconds'] * 1000,
  })
  const neutron = createNeutronClient(session, config['keystone.username'])
  let parts: { stop(): Promise<void>; wake(): void }[] = []

  /** @throws LeaseholdError 'unavailable'; the log has why. */
  const asked = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'Neutron could not be asked')
      throw new LeaseholdError('unavailable', 'Neutron does not answer as it should now; try again later.', {
        cause: error,
      })
    }
  }

  return {
    async find(portId, tenant, nodeUuid) {
      const [port] = await asked(neutron.ports([portId]))
      const [network] = port ? await asked(neutron.networks([port.networkId])) : []
      if (!port || !network || !usable(port, network, tenant)) throw vifNotFound(portId)
      return checked(port, network, nodeUuid)
    },
    async copy(trx, { port, network }) {
      await putNetwork(trx, network, config['networking.poll_seconds'])
      await putPort(trx, port)
    },
    projectOf: (token, portId) => asked(neutron.projectOf(token, portId)),
    async start() {
      if (parts.length > 0) return
      const deps = { db, config, log, neutron }
      await fetchRoles(deps).catch((error: unknown) =>
        log.error(
          { reason: messageOf(error) },
          'Neutron could not be asked; everything stays as it is until it can',
        ),
      )
      parts = [startWriting(deps), startComparing(deps)]
    },
    wake() {
      for (const part of parts) part.wake()
    },
    async stop() {
      session.close()
      await Promise.all(parts.splice(0).map((part) => part.stop()))
    },
  }
}

/**
 * Checks that the database has networks of this provider only.
 * @throws ConfigError that says what to do.
 */
export async function checkProvider(db: Db, provider: 'local' | 'neutron'): Promise<void> {
  const count = await countForeign(db, provider)
  if (count === 0) return
  throw new ConfigError(
    provider === 'neutron'
      ? `--networking-provider neutron: this database has ${count} networks of the provider local; delete them with that provider first`
      : `--networking-provider local: this database has copies of ${count} networks of a Neutron; detach their VIFs and leave networking.*_network out with the provider neutron first`,
  )
}

export const vifNotFound = (id: string): LeaseholdError =>
  new LeaseholdError(
    'not-found',
    `VIF ${id} could not be found: name a port in Neutron that the node's tenant may use.`,
  )

/** Whether a tenant may have a port put onto its machine: the port is its own, in a network that it may use. */
export const usable = (port: UpstreamPort, network: UpstreamNetwork, tenant: string | null): boolean =>
  port.projectId === tenant &&
  (network.projectId === tenant || network.shares.some(({ target }) => target === '*' || target === tenant))

function checked(port: UpstreamPort, network: UpstreamNetwork, nodeUuid: string): Found {
  const { segment } = network
  if (!segment)
    throw new LeaseholdError(
      'invalid',
      `VIF ${port.id}: network ${network.id} is no VLAN in Neutron (provider:network_type vlan), and can not be put onto a switch.`,
    )
  if (port.trunk)
    throw new LeaseholdError(
      'invalid',
      `VIF ${port.id} is the parent of a trunk; trunks can not be attached to a node yet.`,
    )
  if (port.host !== '' && port.host !== nodeUuid)
    throw new LeaseholdError(
      'conflict',
      `VIF ${port.id} is bound elsewhere in Neutron; take it off there first.`,
    )
  return { port, network: { ...network, segment } }
}
