/** What a node boots from. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import { type BootDevice, bootDevices } from '../../hardware/index.ts'
import type { ApiDeps } from '../deps.ts'
import { asBoolean, looseBoolean, nullable } from './fields.ts'
import { nodeFor } from './node-access.ts'
import { askMachine, changeMachineNow } from './node-machine.ts'
import type { Call, Route } from './routes.ts'

export function bootDeviceRoutes(deps: ApiDeps): Route[] {
  const path = '/nodes/:node/management/boot_device'
  const getRules = ['baremetal:node:get', 'baremetal:node:get_boot_device'] as const
  return [
    {
      method: 'GET',
      path,
      summary: 'Show what a node boots from',
      rules: getRules,
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:get_boot_device')
        const management = deps.hardware.implementation(node, 'management')
        return askMachine((bounds) => management.getBootDevice(node, bounds))
      },
    },
    {
      method: 'GET',
      path: `${path}/supported`,
      summary: 'List what a node can boot from',
      rules: getRules,
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:get_boot_device')
        return {
          supported_boot_devices: deps.hardware.implementation(node, 'management').supportedBootDevices(node),
        }
      },
    },
    {
      method: 'PUT',
      path,
      summary: 'Set what a node boots from',
      rules: ['baremetal:node:get', 'baremetal:node:set_boot_device'],
      body: Type.Object(
        { boot_device: Type.String({ maxLength: 64 }), persistent: Type.Optional(nullable(looseBoolean)) },
        { additionalProperties: false },
      ),
      ok: 204,
      handler: (call) => setBootDevice(deps, call),
    },
  ]
}

async function setBootDevice(deps: ApiDeps, call: Call): Promise<undefined> {
  const node = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:set_boot_device')
  const { boot_device: device, persistent } = call.body as { boot_device: string; persistent?: unknown }
  const management = deps.hardware.implementation(node, 'management')
  const supported: readonly string[] = management.supportedBootDevices(node)
  if (!(bootDevices as readonly string[]).includes(device) || !supported.includes(device))
    throw new LeaseholdError(
      'invalid',
      `Invalid boot device ${device} specified. Supported: ${supported.join(', ')}.`,
    )
  const keep = asBoolean(persistent ?? false)
  const rules = ['baremetal:node:set_boot_device'] as const
  await changeMachineNow(deps, call, node, rules, async (current, bounds) => {
    await management.setBootDevice(current, device as BootDevice, keep, bounds)
    return { changes: { boot_device: { boot_device: device, persistent: keep } } }
  })
}
