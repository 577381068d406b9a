/** Whether a node's console is on, and where it is. */
import { Type } from 'typebox'
import { callOf, checkChange, type MachineChange } from '../../hardware/index.ts'
import type { ApiDeps } from '../deps.ts'
import { asBoolean, looseBoolean } from './fields.ts'
import { nodeFor } from './node-access.ts'
import { requireDriven } from './node-machine.ts'
import type { Route } from './routes.ts'

export function consoleRoutes(deps: ApiDeps): Route[] {
  const path = '/nodes/:node/states/console'
  return [
    {
      method: 'GET',
      path,
      summary: "Show where a node's console is",
      rules: ['baremetal:node:get', 'baremetal:node:get_console'],
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:get_console')
        await requireDriven(deps, node)
        const info = callOf(node, deps.hardware.implementation(node, 'console'), 'info', 'console')
        return {
          console_enabled: node.console_enabled,
          console_info: node.console_enabled ? info(node) : null,
        }
      },
    },
    {
      method: 'PUT',
      path,
      summary: "Turn a node's console on or off",
      rules: ['baremetal:node:get', 'baremetal:node:set_console_state'],
      body: Type.Object({ enabled: looseBoolean }, { additionalProperties: false }),
      ok: 202,
      handler: async (call) => {
        const node = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:set_console_state')
        await requireDriven(deps, node)
        const enabled = asBoolean((call.body as { enabled: unknown }).enabled)
        const change: MachineChange = { kind: 'console', value: enabled }
        checkChange(deps.hardware, node, change)
        const { userId, projectId } = call.caller
        if (enabled !== node.console_enabled)
          await deps.provisioner.change({ node, change, caller: { userId, projectId } })
        call.reply.header('location', `${call.base}/v1/nodes/${node.uuid}/states/console`)
      },
    },
  ]
}
