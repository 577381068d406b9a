/** What an inspection has found, put through the rules, and what is written of it. */
import { sql } from 'kysely'
import { LeaseholdError } from '../../errors.ts'
import type { Node } from '../../hardware/index.ts'
import { inspectionRulesOf } from '../../inventory/index.ts'
import type { Db } from '../../store/index.ts'
import { neighboursOf, noteNeighbours } from '../neighbours.ts'
import type { NodeChanges } from '../nodes.sql.ts'
import type { Run } from '../run.ts'
import { applyInspectionRules, type RuleChanges } from './apply.ts'
import type { Json } from './json.ts'

/** What an inspection reports; `properties` are merged into the node's. */
export interface Findings {
  properties?: Json
  /** Left out by a machine that reported later: it is in the table of inventories already. */
  inventory?: object
  pluginData?: object
}

/** What is to be stored of it. */
export interface Inspection {
  changes: NodeChanges
  /** As the rules have left it: to be stored with the inventory. */
  pluginData: Json
}

/**
 * Applies the rules of phase `main` to what an inspection has found. Changes of ports, and of plugin data that is
 * stored already, are written here; those of the node are for the workflow's end to write.
 * @throws Error with what a rule's `fail` says, or which rule could not be applied: nothing is written then.
 */
export async function inspectionOf(run: Run, findings: Findings): Promise<Inspection> {
  const node = { ...run.node, properties: { ...run.node.properties, ...findings.properties } }
  const found: NodeChanges = { properties: JSON.stringify(node.properties) }
  const stored = findings.inventory || !run.work.outcome ? undefined : await storedInventory(run)
  const { inventory = {}, pluginData = {} } = stored ?? findings
  const neighbours = neighboursOf(inventory, pluginData)
  if (neighbours.length > 0)
    await run.effect('Switch ports by LLDP', () => noteNeighbours(run.db, run.node, neighbours))
  const rules = await inspectionRulesOf(run.db, 'main')
  if (rules.length === 0) return { changes: found, pluginData: { ...findings.pluginData } }
  const applied = await run.effect('Inspection rules', async () => {
    const ports = await run.db.selectFrom('ports').selectAll().where('node_uuid', '=', node.uuid).execute()
    const changes = applyInspectionRules(rules, { node, ports, inventory, pluginData })
    await write(run.db, run.node, changes, stored !== undefined)
    for (const { level, message } of changes.log)
      run.log[logLevels[level] ?? 'info']({ node: node.uuid }, `inspection rule: ${message}`)
    return { node: changes.node, pluginData: changes.pluginData }
  })
  return { changes: { ...found, ...columnsOf(applied.node) }, pluginData: applied.pluginData }
}

async function storedInventory(run: Run): Promise<{ inventory: object; pluginData: object } | undefined> {
  const row = await run.db
    .selectFrom('node_inventory')
    .select(['inventory', 'plugin_data'])
    .where('node_uuid', '=', run.node.uuid)
    .executeTakeFirst()
  return row && { inventory: row.inventory, pluginData: row.plugin_data }
}

const logLevels: Readonly<Record<string, 'debug' | 'info' | 'warn' | 'error'>> = {
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  error: 'error',
  critical: 'error',
}

/** Objects as JSON text; lists of texts, as traits are, go as they are. */
const columnsOf = (values: Json): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'object' && value !== null && !Array.isArray(value) ? JSON.stringify(value) : value,
    ]),
  )

/** Writes all of it or nothing, and only while the workflow holds the node. */
async function write(db: Db, node: Node, changes: RuleChanges, withPluginData: boolean): Promise<void> {
  if (changes.ports.length === 0 && !withPluginData) return
  const held = sql<boolean>`EXISTS (SELECT 1 FROM nodes WHERE uuid = ${node.uuid} AND generation = ${node.generation})`
  try {
    await db.transaction().execute(async (transaction) => {
      for (const port of changes.ports)
        await transaction
          .updateTable('ports')
          .set({ ...columnsOf(port.changes), updated_at: new Date() })
          .where('uuid', '=', port.uuid)
          .where('node_uuid', '=', node.uuid)
          .where(held)
          .execute()
      if (withPluginData)
        await transaction
          .updateTable('node_inventory')
          .set({ plugin_data: JSON.stringify(changes.pluginData) })
          .where('node_uuid', '=', node.uuid)
          .where(held)
          .execute()
    })
  } catch (error) {
    if ((error as { code?: string }).code !== '23505') throw error
    throw new LeaseholdError('conflict', 'A rule gives a port a name that another port has', { cause: error })
  }
}
