/**
 * The agent in a node's ramdisk: how it is found, and its session. The session is in `driver_internal_info`, where
 * Ironic's clients look for it; the token there is its hash only. A trigger ends it with the work.
 */
import { createHash, randomBytes } from 'node:crypto'
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Db } from '../store/index.ts'
import { findNode, type Node } from './nodes.sql.ts'

/** Every key of a session. The trigger of migration 0011 names the same. */
const sessionKeys = [
  'agent_secret_token',
  'agent_url',
  'agent_version',
  'agent_last_heartbeat',
  'agent_verify_ca',
] as const

/** `driver_internal_info` without a session: a machine that is switched boots anew, and asks for a token anew. */
export const withoutAgentSession: RawBuilder<string> = sql<string>`driver_internal_info - ${[...sessionKeys]}::text[]`

/** The one node that has a port of one of these MAC addresses; undefined when there is none, or more than one. */
export async function findNodeByMacs(db: Db, addresses: readonly string[]): Promise<Node | undefined> {
  const nodes = await db
    .selectFrom('nodes')
    .selectAll()
    .where(sql<SqlBool>`uuid IN (SELECT node_uuid FROM ports WHERE address = ANY(${addresses}::text[]))`)
    .limit(2)
    .execute()
  return nodes.length === 1 ? nodes[0] : undefined
}

/** The one node waiting for its inspection whose BMC has one of these addresses. */
export async function findInspectedByBmc(db: Db, addresses: readonly string[]): Promise<Node | undefined> {
  const nodes = await db
    .selectFrom('nodes')
    .selectAll()
    .where(sql<SqlBool>`provision_state = 'inspect wait'`)
    .where(
      sql<SqlBool>`(driver_info ->> 'ipmi_address' = ANY(${addresses}::text[])
        OR substring(driver_info ->> 'redfish_address' FROM '^(?:https?://)?\\[?([^]/]*?)\\]?(?::[0-9]+)?/?$') = ANY(${addresses}::text[]))`,
    )
    .limit(2)
    .execute()
  return nodes.length === 1 ? nodes[0] : undefined
}

/**
 * Begins the session of a node's agent, which gets a token, once: `known` says that it had been given before,
 * `locked` that somebody works on the node, `gone` that it is no longer in the state it was found in.
 */
export async function beginAgentSession(
  db: Db,
  found: Node,
): Promise<{ token: string } | 'known' | 'locked' | 'gone'> {
  if (found.driver_internal_info.agent_secret_token) return 'known'
  const token = randomBytes(32).toString('base64url')
  const session = JSON.stringify({ agent_secret_token: hashOf(token) })
  const { numUpdatedRows } = await db
    .updateTable('nodes')
    .set({ driver_internal_info: sql`driver_internal_info || ${session}::jsonb` })
    .where('uuid', '=', found.uuid)
    .where('provision_state', '=', found.provision_state)
    .where('reservation', 'is', null)
    .where(sql<SqlBool>`NOT driver_internal_info ? 'agent_secret_token'`)
    .executeTakeFirst()
  if (numUpdatedRows > 0n) return { token }
  const node = await findNode(db, { uuid: found.uuid })
  if (node?.provision_state !== found.provision_state) return 'gone'
  return node.driver_internal_info.agent_secret_token ? 'known' : 'locked'
}

/** Whether the token is that of the node's agent. */
export const isAgentToken = (node: Node, token: string): boolean =>
  node.driver_internal_info.agent_secret_token === hashOf(token)

export interface Heartbeat {
  token: string
  url: string
  version?: string | undefined
  verifyCa?: string | undefined
}

/**
 * Records that the agent lives and where. A first heartbeat needs an unlocked node. Undefined when the node is locked,
 * or the session is over or another's.
 */
export function recordHeartbeat(db: Db, uuid: string, heartbeat: Heartbeat): Promise<Node | undefined> {
  const said = JSON.stringify({
    agent_url: heartbeat.url,
    agent_last_heartbeat: new Date().toISOString(),
    ...(heartbeat.version === undefined ? {} : { agent_version: heartbeat.version }),
    ...(heartbeat.verifyCa === undefined ? {} : { agent_verify_ca: heartbeat.verifyCa }),
  })
  return db
    .updateTable('nodes')
    .set({ driver_internal_info: sql`driver_internal_info || ${said}::jsonb` })
    .where('uuid', '=', uuid)
    .where(sql<SqlBool>`driver_internal_info ->> 'agent_secret_token' = ${hashOf(heartbeat.token)}`)
    .where(sql<SqlBool>`coalesce(driver_internal_info ->> 'agent_url', ${heartbeat.url}) = ${heartbeat.url}`)
    .where(sql<SqlBool>`(reservation IS NULL OR driver_internal_info ? 'agent_url')`)
    .returningAll()
    .executeTakeFirst()
}

/** A token has 256 random bits: a plain hash is enough, and comparing hashes tells nothing of it. */
const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')
