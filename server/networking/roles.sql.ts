/** The operator's networks for nodes that are provisioned, cleaned, rescued and inspected: named by options, kept by UUID. */
import { sql } from 'kysely'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Db } from '../store/index.ts'

/** The option that names the network of each role. */
export const roleOptions = {
  provisioning: 'networking.provisioning_network',
  cleaning: 'networking.cleaning_network',
  rescuing: 'networking.rescuing_network',
  inspecting: 'networking.inspection_network',
} as const

/** Finds the networks that the options name, and derives anew what is wanted of nodes in a role that has another now. */
export async function setRoles(db: Db, config: Config, log: Logger): Promise<void> {
  for (const [role, option] of Object.entries(roleOptions)) {
    const name = config[option]
    const network = name === undefined ? undefined : await networkNamed(db, name)
    if (name !== undefined && network === undefined) {
      log.warn(
        { option, name },
        'there is no network of the operator of this name; nodes that need it stay isolated',
      )
    }
    await db.transaction().execute(async (trx) => {
      const before = await trx
        .selectFrom('network_roles')
        .select('network_uuid')
        .where('role', '=', role)
        .forUpdate()
        .executeTakeFirst()
      if (before?.network_uuid === network) return
      if (network === undefined) await trx.deleteFrom('network_roles').where('role', '=', role).execute()
      else
        await trx
          .insertInto('network_roles')
          .values({ role, network_uuid: network })
          .onConflict((conflict) => conflict.column('role').doUpdateSet({ network_uuid: network }))
          .execute()
      await sql`
        SELECT networking_refresh(node_uuid) FROM (
          SELECT node_uuid FROM node_networking WHERE role = ${role} ORDER BY node_uuid) AS nodes`.execute(
        trx,
      )
    })
  }
}

/** By UUID, or by name among the operator's own. */
async function networkNamed(db: Db, name: string): Promise<string | undefined> {
  const found = await db
    .selectFrom('networks')
    .select('uuid')
    .where(sql<boolean>`(uuid::text = lower(${name}) OR (name = ${name} AND project_id IS NULL))`)
    .limit(2)
    .execute()
  return found.length === 1 ? found[0]?.uuid : undefined
}
