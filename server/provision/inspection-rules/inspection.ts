/** What an inspection has found, put through the rules, and what is written of it. */
import { sql } from 'kysely'
import { LeaseholdError } from '../../errors.ts'
import type { Node } from '../../hardware/index.ts'
import { inspectionRulesOf } from '../../inventory/index.ts'
import type { Db } from '../../store/index.ts'
import type { NodeChanges } from '../nodes.sql.ts'
import type { Run } from '../run.ts'
import { applyInspectionRules, type RuleChanges } from './apply.ts'
import type { Json } from './json.ts'

/** What an inspection reports; `properties` are merged into the node's. */
export interface Findings {
  properties?: Json
  inventory?: Json
  pluginData?: Json
}

/** What is to be stored of it. */
export interface Inspection {
  changes: NodeChanges
  pluginData: Json
}

/**
 * Applies the rules of phase `main` to what an inspection has found. Changes of ports are written here, those of the
 * node are for the workflow's end to write.
 * @throws Error with what a rule's `fail` says, or which rule could not be applied: nothing is written then.
 */
export async function inspectionOf(run: Run, findings: Findings): Promise<Inspection> {
  const { properties = {}, inventory = {}, pluginData = {} } = findings
  const node = { ...run.node, properties: { ...run.node.properties, ...properties } }
  const found: NodeChanges = { properties: JSON.stringify(node.properties) }
  const rules = await inspectionRulesOf(run.db, 'main')
  if (rules.length === 0) return { changes: found, pluginData }
  const applied = await run.effect('Inspection rules', async () => {
    const ports = await run.db.selectFrom('ports').selectAll().where('node_uuid', '=', node.uuid).execute()
    const changes = applyInspectionRules(rules, { node, ports, inventory, pluginData })
    await writePorts(run.db, run.node, changes.ports)
    for (const { level, message } of changes.log)
      run.log[logLevels[level] ?? 'info']({ node: node.uuid, rule: true }, message)
    return { node: changes.node, pluginData: changes.pluginData }
  })
  return { changes: { ...found, ...columnsOf(applied.node) }, pluginData: applied.pluginData }
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

/** Writes all of them or none, and only while the workflow holds the node. */
async function writePorts(db: Db, node: Node, ports: RuleChanges['ports']): Promise<void> {
  if (ports.length === 0) return
  try {
    await db.transaction().execute(async (transaction) => {
      for (const { uuid, changes } of ports)
        await transaction
          .updateTable('ports')
          .set({ ...columnsOf(changes), updated_at: new Date() })
          .where('uuid', '=', uuid)
          .where('node_uuid', '=', node.uuid)
          .where(
            sql<boolean>`EXISTS (SELECT 1 FROM nodes WHERE uuid = ${node.uuid} AND generation = ${node.generation})`,
          )
          .execute()
    })
  } catch (error) {
    if ((error as { code?: string }).code !== '23505') throw error
    throw new LeaseholdError('conflict', 'A rule gives a port a name that another port has', { cause: error })
  }
}
