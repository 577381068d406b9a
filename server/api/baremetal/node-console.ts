/** Whether a node's console is on, and where it is. */
import { Type } from 'typebox'
import { findConsole } from '../../console/index.ts'
import { checkChange, type MachineChange } from '../../hardware/index.ts'
import type { Node } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { asBoolean, looseBoolean } from './fields.ts'
import { nodeFor } from './node-access.ts'
import { requireDriven } from './node-machine.ts'
import type { Call, Route } from './routes.ts'

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
        checkChange(deps.hardware, node, { kind: 'console', value: true })
        return {
          console_enabled: node.console_enabled,
          console_info: node.console_enabled ? await infoOf(deps, call, node) : null,
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
        await switchConsole(deps, call, node, (call.body as { enabled: unknown }).enabled)
        call.reply.header('location', `${call.base}/v1/nodes/${node.uuid}/states/console`)
      },
    },
  ]
}

/**
 * Switches the console of a node that the caller may do that to. The line itself is kept by the console's room: it
 * stays open for a moment when it is switched off, so that off and on, as Nova does it, loses nothing.
 */
export async function switchConsole(deps: ApiDeps, call: Call, node: Node, wanted: unknown): Promise<void> {
  await requireDriven(deps, node)
  const enabled = asBoolean(wanted)
  const change: MachineChange = { kind: 'console', value: enabled }
  checkChange(deps.hardware, node, change)
  const { userId, projectId } = call.caller
  if (enabled !== node.console_enabled)
    await deps.provisioner.change({ node, change, caller: { userId, projectId } })
}

/** The TCP door of the conductor that keeps it, where it has such doors (what Nova's serial proxy wants); else the page. */
async function infoOf(deps: ApiDeps, call: Call, node: Node): Promise<{ type: string; url: string }> {
  const url = (await findConsole(deps.db, node.uuid))?.tcpUrl
  return url ? { type: 'socat', url } : { type: 'leasehold', url: `${call.base}/consoles/${node.uuid}` }
}
