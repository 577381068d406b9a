/** How a machine boots: UEFI or BIOS, and whether only what is signed. Both are done after the answer. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import { type BootMode, bootModes, type MachineChange } from '../../hardware/index.ts'
import type { ApiDeps } from '../deps.ts'
import { asBoolean, looseBoolean, nullable } from './fields.ts'
import { nodeFor } from './node-access.ts'
import { requireDriven } from './node-machine.ts'
import type { Call, Route } from './routes.ts'

export function bootModeRoutes(deps: ApiDeps): Route[] {
  const common = { method: 'PUT', since: 76, ok: 202 } as const
  return [
    {
      ...common,
      path: '/nodes/:node/states/boot_mode',
      summary: "Change a node's boot mode",
      rules: ['baremetal:node:get', 'baremetal:node:set_boot_mode'],
      body: Type.Object(
        { target: nullable(Type.String({ maxLength: 64 })) },
        { additionalProperties: false },
      ),
      handler: (call) =>
        begin(deps, call, 'baremetal:node:set_boot_mode', () => {
          const { target } = call.body as { target: string | null }
          if (!(bootModes as readonly (string | null)[]).includes(target))
            throw new LeaseholdError(
              'invalid',
              `Invalid boot mode ${target} requested for node. Allowed boot modes are: ${bootModes.join(', ')}`,
            )
          return { kind: 'boot_mode', value: target as BootMode }
        }),
    },
    {
      ...common,
      path: '/nodes/:node/states/secure_boot',
      summary: 'Turn secure boot of a node on or off',
      rules: ['baremetal:node:get', 'baremetal:node:set_secure_boot'],
      body: Type.Object({ target: looseBoolean }, { additionalProperties: false }),
      handler: (call) =>
        begin(deps, call, 'baremetal:node:set_secure_boot', () => ({
          kind: 'secure_boot',
          value: asBoolean((call.body as { target: unknown }).target),
        })),
    },
  ]
}

async function begin(
  deps: ApiDeps,
  call: Call,
  rule: 'baremetal:node:set_boot_mode' | 'baremetal:node:set_secure_boot',
  changeOf: () => MachineChange,
): Promise<undefined> {
  const node = await nodeFor(deps, call, call.params.node as string, rule)
  const change = changeOf()
  await requireDriven(deps, node)
  const { userId, projectId } = call.caller
  await deps.provisioner.change({ node, change, caller: { userId, projectId } })
  call.reply.header('location', `${call.base}/v1/nodes/${node.uuid}/states`)
}
