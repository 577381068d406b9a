/** The firmware of a node's machine, as it was last read or flashed. */
import { LeaseholdError } from '../../errors.ts'
import { listFirmware, type StoredFirmware } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { chooseFields, type Field, plain, showFields, time } from './fields.ts'
import { nodeFor } from './node-access.ts'
import { boolean, fields } from './query.ts'
import type { Route } from './routes.ts'

const identitySince = 114

const componentFields: readonly Field<StoredFirmware>[] = [
  plain('component', 86),
  plain('initial_version', 86),
  plain('current_version', 86),
  plain('last_version_flashed', 86),
  plain('vendor', identitySince),
  plain('model', identitySince),
  plain('serial_number', identitySince),
  time('created_at', 86),
  time('updated_at', 86),
]

export function firmwareRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/nodes/:node/firmware',
      summary: "List the firmware of a node's machine",
      rules: ['baremetal:node:get', 'baremetal:node:firmware:get'],
      since: 86,
      query: { ...fields, detail: boolean() },
      ok: 200,
      handler: async (call) => {
        const { detail, fields: asked } = call.query as { detail?: boolean; fields?: string[] }
        if (detail && asked)
          throw new LeaseholdError('invalid', "Can't fetch a subset of fields with 'detail' set")
        // A field that is newer is, here, as unknown as any other.
        const known = componentFields.filter((field) => field.since <= call.version)
        const shown = chooseFields(asked ? known : componentFields, asked, call.version)
        const { uuid } = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:firmware:get')
        const view = { version: call.version, base: call.base }
        const components = await listFirmware(deps.db, uuid)
        return { firmware: components.map((component) => showFields(shown, component, view)) }
      },
    },
  ]
}
