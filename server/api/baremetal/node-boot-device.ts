/** What a node boots from. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import { type BootDevice, bootDevices } from '../../hardware/index.ts'
import { withLock } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { asBoolean, looseBoolean, nullable } from './fields.ts'
import { lockOptions, nodeFor } from './node-access.ts'
import type { Call, Route } from './routes.ts'

/** Deadline of a request that waits for a machine, milliseconds. */
const machineDeadlineMs = 30_000

export function bootDeviceRoutes(deps: ApiDeps): Route[] {
  const path = '/nodes/:node/management/boot_device'
  const bounds = () => ({ signal: AbortSignal.timeout(machineDeadlineMs) })
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
        return deps.hardware.implementation(node, 'management').getBootDevice(node, bounds())
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
  await withLock(deps.db, node.uuid, lockOptions(deps), async (lock) => {
    await management.setBootDevice(node, device as BootDevice, keep, {
      signal: AbortSignal.timeout(machineDeadlineMs),
    })
    await deps.db
      .updateTable('nodes')
      .set({ boot_device: JSON.stringify({ boot_device: device, persistent: keep }) })
      .where('uuid', '=', lock.uuid)
      .where('generation', '=', lock.generation)
      .execute()
  })
}
