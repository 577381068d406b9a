/** What is done with a node besides changing its fields. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import { validateNode } from '../../hardware/index.ts'
import type { ApiDeps } from '../deps.ts'
import { nullable } from './fields.ts'
import { changeAllowed, nodeFor } from './node-access.ts'
import { biosRoutes } from './node-bios.ts'
import { bootDeviceRoutes } from './node-boot-device.ts'
import { bootModeRoutes } from './node-boot-mode.ts'
import { consoleRoutes } from './node-console.ts'
import { firmwareRoutes } from './node-firmware.ts'
import { historyRoutes } from './node-history.ts'
import { indicatorRoutes } from './node-indicators.ts'
import { inventoryRoutes } from './node-inventory.ts'
import { nodePassthruRoutes } from './node-passthru.ts'
import { raidRoutes } from './node-raid.ts'
import { nodeStateRoutes } from './node-states.ts'
import { traitRoutes } from './node-traits.ts'
import { vifRoutes } from './node-vifs.ts'
import { mediaRoutes } from './node-vmedia.ts'
import { text } from './query.ts'
import type { Call, Route } from './routes.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

const ident = (call: Call): string => call.params.node as string

export function nodeActionRoutes(deps: ApiDeps): Route[] {
  return [
    ...validation(deps),
    ...maintenance(deps),
    ...nodeStateRoutes(deps),
    ...bootDeviceRoutes(deps),
    ...traitRoutes(deps),
    ...historyRoutes(deps),
    ...biosRoutes(deps),
    ...firmwareRoutes(deps),
    ...inventoryRoutes(deps),
    ...raidRoutes(deps),
    ...bootModeRoutes(deps),
    ...consoleRoutes(deps),
    ...indicatorRoutes(deps),
    ...mediaRoutes(deps),
    ...vifRoutes(deps),
    ...nodePassthruRoutes(deps),
  ]
}

function validation(deps: ApiDeps): Route[] {
  const validate = async (call: Call, name: string) =>
    validateNode(deps.hardware, await nodeFor(deps, call, name, 'baremetal:node:validate'))
  const common = { method: 'GET', rules: ['baremetal:node:get', 'baremetal:node:validate'], ok: 200 } as const
  return [
    {
      ...common,
      path: '/nodes/:node/validate',
      summary: "Check each of a node's interfaces",
      handler: (call) => validate(call, ident(call)),
    },
    {
      ...common,
      path: '/nodes/validate',
      summary: "Check each of a node's interfaces",
      query: { node: text(), node_uuid: text() },
      handler: (call) => {
        const name = call.query.node ?? call.query.node_uuid
        if (name === undefined) throw invalid('The query parameter node (a UUID or name) is missing.')
        return validate(call, name as string)
      },
    },
  ]
}

function maintenance(deps: ApiDeps): Route[] {
  return [
    {
      method: 'PUT',
      path: '/nodes/:node/maintenance',
      summary: 'Put a node into maintenance',
      rules: ['baremetal:node:get', 'baremetal:node:set_maintenance'],
      body: nullable(
        Type.Object(
          { reason: Type.Optional(nullable(Type.String({ maxLength: 4096 }))) },
          { additionalProperties: false },
        ),
      ),
      ok: 202,
      handler: async (call) => {
        const node = await nodeFor(deps, call, ident(call), 'baremetal:node:set_maintenance')
        const reason = (call.body as { reason?: string | null } | null)?.reason ?? null
        await changeAllowed(deps, call, node, ['baremetal:node:set_maintenance'], () => ({
          maintenance: true,
          maintenance_reason: reason,
        }))
      },
    },
    {
      method: 'DELETE',
      path: '/nodes/:node/maintenance',
      summary: 'Take a node out of maintenance',
      rules: ['baremetal:node:get', 'baremetal:node:clear_maintenance'],
      ok: 202,
      handler: async (call) => {
        const node = await nodeFor(deps, call, ident(call), 'baremetal:node:clear_maintenance')
        await changeAllowed(deps, call, node, ['baremetal:node:clear_maintenance'], () => ({
          maintenance: false,
          maintenance_reason: null,
          fault: null,
        }))
      },
    },
  ]
}
