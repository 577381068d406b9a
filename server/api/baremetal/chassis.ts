/** Chassis: enclosures that hold nodes. They belong to the system; no project sees or changes them. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import {
  type Chassis,
  type ChassisChanges,
  type ChassisColumn,
  changeChassis,
  deleteChassis,
  findChassis,
  insertChassis,
  listChassis,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import {
  anyObject,
  chooseFields,
  clearedValues,
  columnsOf,
  createSchema,
  type Field,
  gatePatch,
  nullable,
  object,
  plain,
  selfLinks,
  showFields,
  sortColumn,
  time,
} from './fields.ts'
import { normalUuid } from './identifiers.ts'
import { applyPatch, type PatchOperation, patchBody } from './json-patch.ts'
import { noteTarget, requireRule } from './node-access.ts'
import { patchedCheck, uuidOfNew } from './node-parts.ts'
import { nextLink, pageOf } from './page.ts'
import { detail, fields, paging } from './query.ts'
import type { Call, Route } from './routes.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

const settable = { create: true, patch: true } as const
const chassisFields: readonly Field<Chassis>[] = [
  plain('uuid', 1, { schema: nullable(Type.String({ maxLength: 45 })), ...settable }),
  plain('description', 1, { schema: nullable(Type.String({ maxLength: 255 })), ...settable }),
  object('extra', 1, { schema: nullable(anyObject), ...settable }),
  time('created_at', 1),
  time('updated_at', 1),
]
const listFields = ['uuid', 'description']

export function chassisRoutes(deps: ApiDeps): Route[] {
  const one = '/chassis/:chassis'
  const reading = { method: 'GET', rules: ['baremetal:chassis:get'], ok: 200 } as const
  return [
    {
      ...reading,
      path: '/chassis',
      summary: 'List chassis',
      query: { ...paging, ...fields, ...detail },
      handler: (call) => showList(deps, call, '/chassis', call.query.detail === true),
    },
    {
      ...reading,
      path: '/chassis/detail',
      summary: 'List chassis with all their fields',
      query: paging,
      handler: (call) => showList(deps, call, '/chassis/detail', true),
    },
    {
      method: 'POST',
      path: '/chassis',
      summary: 'Create a chassis',
      rules: ['baremetal:chassis:create'],
      body: createSchema(chassisFields, []),
      ok: 201,
      handler: (call) => create(deps, call),
    },
    {
      ...reading,
      path: one,
      summary: 'Show a chassis',
      query: fields,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:chassis:get')
        const asked = call.query.fields as string[] | undefined
        const shown = chooseFields(chassisFields, asked, call.version)
        return show(call, await chassisFor(deps, call), shown, asked === undefined)
      },
    },
    {
      method: 'PATCH',
      path: one,
      summary: 'Change a chassis',
      rules: ['baremetal:chassis:update'],
      body: patchBody,
      ok: 200,
      handler: (call) => update(deps, call),
    },
    {
      method: 'DELETE',
      path: one,
      summary: 'Delete a chassis',
      rules: ['baremetal:chassis:delete'],
      ok: 204,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:chassis:delete')
        const { uuid } = await chassisFor(deps, call)
        if (!(await deleteChassis(deps.db, uuid))) throw absent(uuid)
      },
    },
  ]
}

const absent = (ident: string): LeaseholdError =>
  new LeaseholdError('not-found', `Chassis ${ident.slice(0, 255)} could not be found.`)

async function chassisFor(deps: ApiDeps, call: Call): Promise<Chassis> {
  const ident = call.params.chassis as string
  const uuid = normalUuid(ident)
  if (!uuid) throw invalid(`Expected a UUID but received ${ident.slice(0, 255)}.`)
  const chassis = await findChassis(deps.db, uuid)
  if (!chassis) throw absent(ident)
  noteTarget(call, 'chassis', uuid)
  return chassis
}

async function showList(deps: ApiDeps, call: Call, path: string, full: boolean): Promise<unknown> {
  requireRule(deps, call, 'baremetal:chassis:get')
  const { query } = call
  const asked = query.fields as string[] | undefined
  if (full && asked) throw invalid("Can't fetch a subset of fields with 'detail' set")
  const shown = chooseFields(chassisFields, asked, call.version, full ? undefined : listFields)
  const page = pageOf(query, deps.config['api.max_limit'])
  const sortBy = sortColumn(chassisFields, query.sort_key as string | undefined, call.version)
  const columns = columnsOf<Chassis>(shown, ['uuid']) as ChassisColumn[]
  const rows = (await listChassis(deps.db, { ...page, sortColumn: sortBy }, columns)) as Chassis[]
  const chassis = rows.map((row) => show(call, row, shown, full))
  return { chassis, ...nextLink(`${call.base}/v1${path}`, query, page, rows) }
}

const show = (
  call: Call,
  chassis: Chassis,
  shown: readonly Field<Chassis>[] = chassisFields,
  full = true,
): Record<string, unknown> => ({
  ...showFields(shown, chassis, { version: call.version, base: call.base }),
  links: selfLinks(call.base, `chassis/${chassis.uuid}`),
  // Twice a list: Ironic's clients know it so.
  ...(full ? { nodes: [selfLinks(call.base, `chassis/${chassis.uuid}/nodes`)] } : {}),
})

async function create(deps: ApiDeps, call: Call): Promise<unknown> {
  requireRule(deps, call, 'baremetal:chassis:create')
  const { uuid, description, extra } = call.body as Partial<Chassis>
  const chassis = await insertChassis(deps.db, {
    uuid: uuidOfNew(uuid),
    description: description ?? null,
    extra: JSON.stringify(extra ?? {}),
  })
  noteTarget(call, 'chassis', chassis.uuid)
  call.reply.header('location', `${call.base}/v1/chassis/${chassis.uuid}`)
  return show(call, chassis)
}

async function update(deps: ApiDeps, call: Call): Promise<unknown> {
  requireRule(deps, call, 'baremetal:chassis:update')
  const operations = call.body as PatchOperation[]
  gatePatch(chassisFields, operations, call.version)
  const { uuid } = await chassisFor(deps, call)
  const chassis = await changeChassis(deps.db, uuid, (row) => changesOf(row, operations))
  if (!chassis) throw absent(uuid)
  return show(call, chassis)
}

const cleared = clearedValues(chassisFields)
const checkPatched = patchedCheck(chassisFields)

function changesOf(chassis: Chassis, operations: readonly PatchOperation[]): ChassisChanges {
  const { uuid, description, extra } = chassis
  const { result, changed } = applyPatch({ uuid, description, extra }, operations, cleared)
  checkPatched(Object.fromEntries(changed.map((name) => [name, result[name]])))
  // It may be named, and stays.
  if (changed.includes('uuid') && normalUuid(String(result.uuid)) !== uuid)
    throw invalid('Cannot overwrite UUID for an existing Chassis.')
  return {
    ...(changed.includes('description')
      ? { description: (result.description ?? null) as string | null }
      : {}),
    ...(changed.includes('extra') ? { extra: JSON.stringify(result.extra ?? {}) } : {}),
  }
}
