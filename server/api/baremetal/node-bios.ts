/** The BIOS settings of a node, as they were last read or applied. */
import { LeaseholdError } from '../../errors.ts'
import { findBiosSetting, listBiosSettings, type StoredBiosSetting } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { chooseFields, type Field, plain, selfLinks, showFields, time } from './fields.ts'
import { nodeFor } from './node-access.ts'
import { boolean, fields } from './query.ts'
import type { Call, Route } from './routes.ts'

/** What the machine says of a setting besides its value. */
const registryFields = [
  'attribute_type',
  'allowable_values',
  'lower_bound',
  'max_length',
  'min_length',
  'read_only',
  'reset_required',
  'unique',
  'upper_bound',
] as const
const registrySince = 74

const settingFields: readonly Field<StoredBiosSetting>[] = [
  plain('name', 40),
  plain('value', 40),
  time('created_at', 40),
  time('updated_at', 40),
  ...registryFields.map(
    (name): Field<StoredBiosSetting> => ({
      name,
      since: registrySince,
      columns: ['registry'],
      show: (setting) => setting.registry[name] ?? null,
    }),
  ),
]
const listFields = ['name', 'value', 'created_at', 'updated_at']

export function biosRoutes(deps: ApiDeps): Route[] {
  const common = {
    method: 'GET',
    rules: ['baremetal:node:get', 'baremetal:node:bios:get'],
    since: 40,
    ok: 200,
  } as const
  const nodeOf = (call: Call) => nodeFor(deps, call, call.params.node as string, 'baremetal:node:bios:get')
  return [
    {
      ...common,
      path: '/nodes/:node/bios',
      summary: "List a node's BIOS settings",
      query: {
        detail: {
          ...boolean(registrySince),
          refused: 'Invalid query parameter ?detail=True received.',
        },
        fields: {
          ...(fields.fields as NonNullable<typeof fields.fields>),
          since: registrySince,
          refused: 'Invalid query parameter ?fields= received.',
        },
      },
      handler: async (call) => {
        const { detail, fields: asked } = call.query as { detail?: boolean; fields?: string[] }
        if (detail && asked)
          throw new LeaseholdError('invalid', "Can't fetch a subset of fields with 'detail' set")
        const shown = chooseFields(settingFields, asked, call.version, detail ? undefined : listFields)
        const { uuid } = await nodeOf(call)
        const settings = await listBiosSettings(deps.db, uuid)
        return { bios: settings.map((setting) => show(call, uuid, setting, shown)) }
      },
    },
    {
      ...common,
      path: '/nodes/:node/bios/:setting',
      summary: "Show one of a node's BIOS settings",
      handler: async (call) => {
        const { uuid } = await nodeOf(call)
        const name = call.params.setting as string
        const setting = await findBiosSetting(deps.db, uuid, name)
        if (!setting)
          throw new LeaseholdError(
            'not-found',
            `Node ${uuid} doesn't have a BIOS setting '${name.slice(0, 255)}'`,
          )
        return { [name]: show(call, uuid, setting, chooseFields(settingFields, undefined, call.version)) }
      },
    },
  ]
}

const show = (
  call: Call,
  nodeUuid: string,
  setting: StoredBiosSetting,
  shown: readonly Field<StoredBiosSetting>[],
): Record<string, unknown> => ({
  ...showFields(shown, setting, { version: call.version, base: call.base }),
  links: selfLinks(call.base, `nodes/${nodeUuid}/bios/${encodeURIComponent(setting.name)}`),
})
