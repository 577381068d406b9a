/** Deploy templates: steps that an operator offers under the name of a trait, for instances to ask for. */
import { randomUUID } from 'node:crypto'
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import {
  changeDeployTemplate,
  type DeployTemplate,
  type DeployTemplateChanges,
  type DeployTemplateColumn,
  deleteDeployTemplate,
  findDeployTemplate,
  insertDeployTemplate,
  listDeployTemplates,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { validatorOf } from '../validate.ts'
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
import { lookupOf, normalUuid } from './identifiers.ts'
import { applyPatch, type PatchOperation, patchBody } from './json-patch.ts'
import { noteTarget, requireRule } from './node-access.ts'
import { checkTrait } from './node-traits.ts'
import { nextLink, pageOf } from './page.ts'
import { detail, fields, paging } from './query.ts'
import type { Call, Route } from './routes.ts'
import { deployStepsSchema, type GivenStep, showSteps, stepsColumn } from './stored-steps.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

const since = 55
const settable = { create: true, patch: true } as const

const templateFields: readonly Field<DeployTemplate>[] = [
  plain('uuid', since, { schema: nullable(Type.String({ maxLength: 45 })), create: true }),
  plain('name', since, { schema: Type.String({ maxLength: 255 }), ...settable }),
  {
    name: 'steps',
    since,
    columns: ['steps'],
    show: (template) => showSteps(template.steps),
    schema: deployStepsSchema,
    ...settable,
  },
  object('extra', since, { schema: nullable(anyObject), ...settable }),
  time('created_at', since),
  time('updated_at', since),
]
const listFields = ['uuid', 'name']

const createBody = Type.Object(
  {
    ...(createSchema(templateFields, ['name', 'steps']) as ReturnType<typeof Type.Object>).properties,
    // Taken and not kept, as Ironic does.
    description: Type.Optional(nullable(Type.String({ maxLength: 255 }))),
  },
  { additionalProperties: false },
)
const checkTemplate = validatorOf(
  Type.Object({
    name: Type.String({ maxLength: 255 }),
    steps: deployStepsSchema,
    extra: nullable(anyObject),
  }),
)

export function deployTemplateRoutes(deps: ApiDeps): Route[] {
  const one = '/deploy_templates/:template'
  const reading = { since, below: 404, rules: ['baremetal:deploy_template:get'], ok: 200 } as const
  return [
    {
      ...reading,
      method: 'GET',
      path: '/deploy_templates',
      summary: 'List deploy templates',
      query: { ...paging, ...fields, ...detail },
      handler: (call) => showList(deps, call),
    },
    {
      method: 'POST',
      path: '/deploy_templates',
      summary: 'Create a deploy template',
      rules: ['baremetal:deploy_template:create'],
      since,
      below: 405,
      body: createBody,
      ok: 201,
      handler: (call) => create(deps, call),
    },
    {
      ...reading,
      method: 'GET',
      path: one,
      summary: 'Show a deploy template',
      query: fields,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:deploy_template:get')
        const shown = chooseFields(templateFields, call.query.fields as string[] | undefined, call.version)
        return show(call, await templateFor(deps, call), shown)
      },
    },
    {
      method: 'PATCH',
      path: one,
      summary: 'Change a deploy template',
      rules: ['baremetal:deploy_template:update'],
      since,
      below: 405,
      body: patchBody,
      ok: 200,
      handler: (call) => update(deps, call),
    },
    {
      method: 'DELETE',
      path: one,
      summary: 'Delete a deploy template',
      rules: ['baremetal:deploy_template:delete'],
      since,
      below: 405,
      ok: 204,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:deploy_template:delete')
        await deleteDeployTemplate(deps.db, (await templateFor(deps, call)).uuid)
      },
    },
  ]
}

const absent = (ident: string): LeaseholdError =>
  new LeaseholdError('not-found', `Deploy template ${ident.slice(0, 255)} could not be found.`)

async function templateFor(deps: ApiDeps, call: Call): Promise<DeployTemplate> {
  const ident = call.params.template as string
  const by = lookupOf(ident, true)
  const template = by && (await findDeployTemplate(deps.db, by))
  if (!template) throw absent(ident)
  noteTarget(call, 'deploy_template', template.uuid)
  return template
}

async function showList(deps: ApiDeps, call: Call): Promise<unknown> {
  requireRule(deps, call, 'baremetal:deploy_template:get')
  const { query } = call
  const asked = query.fields as string[] | undefined
  const full = query.detail === true
  if (full && asked) throw invalid("Can't fetch a subset of fields with 'detail' set")
  const shown = chooseFields(templateFields, asked, call.version, full ? undefined : listFields)
  const page = pageOf(query, deps.config['api.max_limit'])
  const sortBy = sortColumn(templateFields, query.sort_key as string | undefined, call.version)
  const columns = columnsOf<DeployTemplate>(shown, ['uuid']) as DeployTemplateColumn[]
  const rows = (await listDeployTemplates(
    deps.db,
    { ...page, sortColumn: sortBy },
    columns,
  )) as DeployTemplate[]
  return {
    deploy_templates: rows.map((row) => show(call, row, shown)),
    ...nextLink(`${call.base}/v1/deploy_templates`, query, page, rows),
  }
}

const show = (
  call: Call,
  template: DeployTemplate,
  shown: readonly Field<DeployTemplate>[] = templateFields,
): Record<string, unknown> => ({
  ...showFields(shown, template, { version: call.version, base: call.base }),
  links: selfLinks(call.base, `deploy_templates/${template.uuid}`),
})

async function create(deps: ApiDeps, call: Call): Promise<unknown> {
  requireRule(deps, call, 'baremetal:deploy_template:create')
  const body = call.body as Record<string, unknown>
  const uuid = typeof body.uuid === 'string' ? normalUuid(body.uuid) : randomUUID()
  if (!uuid) throw invalid(`Expected a UUID for uuid but received ${body.uuid}.`)
  checkName(body.name as string)
  const template = await insertDeployTemplate(deps.db, {
    uuid,
    name: body.name as string,
    steps: stepsColumn(body.steps as GivenStep[], 'priority'),
    extra: JSON.stringify(body.extra ?? {}),
  })
  noteTarget(call, 'deploy_template', template.uuid)
  call.reply.header('location', `${call.base}/v1/deploy_templates/${template.uuid}`)
  return show(call, template)
}

function checkName(name: string): void {
  try {
    checkTrait(name)
  } catch (error) {
    throw invalid(`Deploy template name must be a valid trait. ${(error as Error).message}`)
  }
}

const cleared = clearedValues(templateFields)

async function update(deps: ApiDeps, call: Call): Promise<unknown> {
  requireRule(deps, call, 'baremetal:deploy_template:update')
  const operations = call.body as PatchOperation[]
  gatePatch(templateFields, operations, call.version)
  const { uuid } = await templateFor(deps, call)
  const template = await changeDeployTemplate(deps.db, uuid, (row) => patched(row, operations))
  if (!template) throw absent(uuid)
  return show(call, template)
}

function patched(template: DeployTemplate, operations: readonly PatchOperation[]): DeployTemplateChanges {
  const { name, steps, extra } = template
  const { result, changed } = applyPatch({ name, steps, extra }, operations, cleared)
  checkTemplate(result)
  const changes: DeployTemplateChanges = {}
  if (changed.includes('name')) {
    checkName(result.name as string)
    changes.name = result.name as string
  }
  if (changed.includes('steps')) changes.steps = stepsColumn(result.steps as GivenStep[], 'priority')
  if (changed.includes('extra')) changes.extra = JSON.stringify(result.extra ?? {})
  return changes
}
