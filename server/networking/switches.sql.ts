/** Switches and their ports, in PostgreSQL. Every change derives anew what is wanted for the nodes it concerns. */
import { type Insertable, type Selectable, sql, type Updateable } from 'kysely'
import { LeaseholdError } from '../errors.ts'
import { type Constraints, worded } from '../inventory/index.ts'
import type { Db, SwitchesTable, SwitchPortsTable } from '../store/index.ts'

export type Switch = Selectable<SwitchesTable>
export type SwitchPort = Selectable<SwitchPortsTable>
export type NewSwitch = Insertable<SwitchesTable>
export type SwitchChanges = Updateable<SwitchesTable>
export type NewSwitchPort = Omit<Insertable<SwitchPortsTable>, 'switch_id'>

/** A port, and what is wanted of it. */
export interface SwitchPortRow extends SwitchPort {
  node_uuid: string | null
  wanted: Record<string, unknown> | null
  verified: boolean
  error: string | null
  drift: Record<string, unknown> | null
}

const constraints: Constraints<{ name?: unknown }> = {
  switches_name_key: ['conflict', ({ name }) => `A switch with name ${name} already exists.`],
  switches_uuid_key: ['conflict', () => 'A switch with this UUID already exists.'],
  switch_ports_switch_id_fkey: ['conflict', () => 'The switch still has ports; remove them first.'],
  switch_links_port: [
    'conflict',
    ({ name }) =>
      `Switch port ${name} is in use by a node, or not yet seen to be idle; take it from the node first.`,
  ],
}

/** A page of the switches, by name. */
export const listSwitches = (db: Db, after: string | undefined, limit: number): Promise<Switch[]> =>
  db
    .selectFrom('switches')
    .selectAll()
    .$if(after !== undefined, (query) =>
      query.where(
        'id',
        '>',
        db
          .selectFrom('switches')
          .select('id')
          .where('uuid', '=', after as string),
      ),
    )
    .orderBy('id')
    .limit(limit)
    .execute()

export const findSwitch = (db: Db, by: { uuid: string } | { name: string }): Promise<Switch | undefined> => {
  const query = db.selectFrom('switches').selectAll()
  return (
    'uuid' in by ? query.where('uuid', '=', by.uuid) : query.where('name', '=', by.name)
  ).executeTakeFirst()
}

/** @throws LeaseholdError 'conflict' for a name that another has. */
export const insertSwitch = (db: Db, row: NewSwitch): Promise<Switch> =>
  worded(constraints, row, () =>
    db.insertInto('switches').values(row).returningAll().executeTakeFirstOrThrow(),
  )

/** @throws LeaseholdError 'conflict' for a name that another has; 'not-found' when it is gone. */
export const changeSwitch = (db: Db, uuid: string, change: (row: Switch) => SwitchChanges): Promise<Switch> =>
  db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('switches')
      .selectAll()
      .where('uuid', '=', uuid)
      .forUpdate()
      .executeTakeFirst()
    if (!row) throw new LeaseholdError('not-found', `Switch ${uuid} could not be found.`)
    const changes = change(row)
    const { driver, address } = { ...row, ...changes }
    // What was half done on another switch is not undone on this one; to save once too often does no harm.
    const unfinished =
      row.unfinished !== null && (driver !== row.driver || address !== row.address)
        ? { unfinished: '{}' }
        : {}
    const changed = await worded(constraints, { ...row, ...changes }, () =>
      trx
        .updateTable('switches')
        .set({ ...changes, ...unfinished, version: row.version + 1, updated_at: new Date() })
        .where('id', '=', row.id)
        .returningAll()
        .executeTakeFirstOrThrow(),
    )
    await refreshSwitch(trx, row.id)
    return changed
  })

/** @throws LeaseholdError 'conflict' while it has ports. */
export const deleteSwitch = (db: Db, row: Switch): Promise<unknown> =>
  worded(constraints, row, () => db.deleteFrom('switches').where('id', '=', row.id).execute())

/** The ports of a switch, or one of them, with what is wanted of each. */
export async function listSwitchPorts(db: Db, switchId: string, name?: string): Promise<SwitchPortRow[]> {
  return (await db
    .selectFrom('switch_ports')
    .leftJoin('switch_links', 'switch_links.switch_port_id', 'switch_ports.id')
    .selectAll('switch_ports')
    .select(['node_uuid', 'wanted', 'error', 'drift'])
    .select(sql<boolean>`coalesce(verified_generation = generation, false)`.as('verified'))
    .where('switch_id', '=', switchId)
    .$if(name !== undefined, (query) => query.where('switch_ports.name', '=', name as string))
    .orderBy('switch_ports.id')
    .execute()) as unknown as SwitchPortRow[]
}

/** Makes ports, or changes those of the same names. */
export const putSwitchPorts = (db: Db, switchId: string, ports: readonly NewSwitchPort[]): Promise<void> =>
  db.transaction().execute(async (trx) => {
    for (const port of ports) {
      const { name, ...rest } = { aliases: [], owner: null, mtu: null, description: null, ...port }
      await trx
        .insertInto('switch_ports')
        .values({ ...rest, name, switch_id: switchId })
        .onConflict((conflict) =>
          conflict.columns(['switch_id', 'name']).doUpdateSet({ ...rest, updated_at: new Date() }),
        )
        .execute()
    }
    await refreshSwitch(trx, switchId)
  })

/** Removes a port. @throws LeaseholdError 'conflict' while a node is on it, or it has not been seen to be idle. */
export const deleteSwitchPort = (db: Db, port: SwitchPort): Promise<void> =>
  db.transaction().execute(async (trx) => {
    await trx
      .deleteFrom('switch_links')
      .where('switch_port_id', '=', port.id)
      .where('node_uuid', 'is', null)
      .where(sql<boolean>`verified_generation = generation`)
      .execute()
    await worded(constraints, port, () => trx.deleteFrom('switch_ports').where('id', '=', port.id).execute())
  })

const refreshSwitch = (db: Db, id: string): Promise<unknown> =>
  sql`SELECT networking_refresh_switch(${id}::bigint)`.execute(db)
