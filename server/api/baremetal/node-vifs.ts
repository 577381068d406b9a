/** VIFs: the tenant networks' ends that are attached to a node's ports. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import { callOf } from '../../hardware/index.ts'
import type { Node } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { checkVifCaller } from '../networking/node-networking.ts'
import { lookupOf, normalUuid } from './identifiers.ts'
import { nodeFor } from './node-access.ts'
import { askMachine, changeMachineNow, requireDriven } from './node-machine.ts'
import type { Call, Route } from './routes.ts'

type Rule = `baremetal:node:vif:${'list' | 'attach' | 'detach'}`

export function vifRoutes(deps: ApiDeps): Route[] {
  const path = '/nodes/:node/vifs'
  const network = (node: Node) => deps.hardware.implementation(node, 'network')
  const nodeOf = async (call: Call, rule: Rule) => {
    const node = await nodeFor(deps, call, call.params.node as string, rule)
    await requireDriven(deps, node, 'invalid')
    return node
  }
  return [
    {
      method: 'GET',
      path,
      summary: "List a node's VIFs",
      rules: ['baremetal:node:get', 'baremetal:node:vif:list'],
      since: 28,
      ok: 200,
      handler: async (call) => {
        const node = await nodeOf(call, 'baremetal:node:vif:list')
        const listVifs = callOf(node, network(node), 'listVifs', 'vif_list')
        const vifs = await askMachine((bounds) => listVifs(node, bounds))
        return { vifs: vifs.map(({ id }) => ({ id })) }
      },
    },
    {
      method: 'POST',
      path,
      summary: 'Attach a VIF to a node',
      rules: ['baremetal:node:get', 'baremetal:node:vif:attach'],
      since: 28,
      body: Type.Object({ id: Type.String({ maxLength: 255 }) }, { additionalProperties: true }),
      ok: 204,
      handler: async (call) => {
        const node = await nodeOf(call, 'baremetal:node:vif:attach')
        const vif = call.body as Record<string, unknown>
        checkVif(vif, call.version)
        await checkVifCaller(deps, call, node, String(vif.id))
        const attach = callOf(node, network(node), 'attachVif', 'vif_attach')
        const rules = ['baremetal:node:vif:attach'] as const
        await changeMachineNow(deps, call, node, rules, async (current, bounds) => ({
          changes: await attach(current, vif, bounds),
        }))
      },
    },
    {
      method: 'DELETE',
      path: `${path}/:vif`,
      summary: 'Detach a VIF from a node',
      rules: ['baremetal:node:get', 'baremetal:node:vif:detach'],
      since: 28,
      ok: 204,
      handler: async (call) => {
        const node = await nodeOf(call, 'baremetal:node:vif:detach')
        const id = call.params.vif as string
        if (!lookupOf(id, true)) throw invalid(`Expected a UUID or name but received ${id.slice(0, 255)}.`)
        const detach = callOf(node, network(node), 'detachVif', 'vif_detach')
        const rules = ['baremetal:node:vif:detach'] as const
        await changeMachineNow(deps, call, node, rules, async (current, bounds) => ({
          changes: await detach(current, id, bounds),
        }))
      },
    },
  ]
}

function checkVif(vif: Readonly<Record<string, unknown>>, version: number): void {
  if (!lookupOf(String(vif.id), true))
    throw invalid(`id: expected a UUID or name but received ${String(vif.id).slice(0, 255)}.`)
  if (version < 67) return
  for (const name of ['port_uuid', 'portgroup_uuid'])
    if (vif[name] !== undefined && !normalUuid(String(vif[name])))
      throw invalid(`${name}: expected a UUID but received ${String(vif[name]).slice(0, 255)}.`)
  if (vif.port_uuid !== undefined && vif.portgroup_uuid !== undefined)
    throw invalid('port_uuid and portgroup_uuid do not go together: name one place for the VIF.')
}

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)
