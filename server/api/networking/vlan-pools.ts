/** VLAN pools: which VLANs tenants' networks may have. The operator's. Leasehold's own. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import {
  changePool,
  deletePool,
  findPool,
  insertPool,
  listPools,
  type VlanPool,
} from '../../networking/index.ts'
import { isoTime } from '../baremetal/fields.ts'
import { lookupOf } from '../baremetal/identifiers.ts'
import { applyPatch, type PatchOperation, patchBody } from '../baremetal/json-patch.ts'
import { noteTarget, requireRule } from '../baremetal/node-access.ts'
import type { Call, Route } from '../baremetal/routes.ts'
import type { ApiDeps } from '../deps.ts'
import { validatorOf } from '../validate.ts'
import { resourceName } from './switch-fields.ts'

const ranges = Type.String({ minLength: 1, maxLength: 4096 })
const changeable = Type.Object({ name: resourceName, ranges }, { additionalProperties: false })

export function vlanPoolRoutes(deps: ApiDeps): Route[] {
  const one = '/vlan_pools/:pool'
  const reading = { method: 'GET', rules: ['leasehold:vlan_pool:get'], ok: 200 } as const
  return [
    {
      ...reading,
      path: '/vlan_pools',
      summary: 'List VLAN pools (Leasehold’s own)',
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:vlan_pool:get')
        return { vlan_pools: (await listPools(deps.db)).map(show) }
      },
    },
    {
      method: 'POST',
      path: '/vlan_pools',
      summary: 'Add a VLAN pool (Leasehold’s own)',
      rules: ['leasehold:vlan_pool:create'],
      body: Type.Object(
        { name: resourceName, physical_network: Type.Optional(resourceName), ranges },
        { additionalProperties: false },
      ),
      ok: 201,
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:vlan_pool:create')
        const body = call.body as { name: string; physical_network?: string; ranges: string }
        const pool = await insertPool(deps.db, { physical_network: 'default', ...body })
        noteTarget(call, 'vlan_pool', pool.uuid)
        return show(pool)
      },
    },
    {
      ...reading,
      path: one,
      summary: 'Show a VLAN pool (Leasehold’s own)',
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:vlan_pool:get')
        return show(await poolFor(deps, call))
      },
    },
    {
      method: 'PATCH',
      path: one,
      summary: 'Change a VLAN pool (Leasehold’s own)',
      rules: ['leasehold:vlan_pool:update'],
      body: patchBody,
      ok: 200,
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:vlan_pool:update')
        const { uuid } = await poolFor(deps, call)
        return show(
          await changePool(deps.db, uuid, ({ name, ranges }) => {
            const { result } = applyPatch({ name, ranges }, call.body as PatchOperation[], {})
            checkChangeable(result)
            return result as { name: string; ranges: string }
          }),
        )
      },
    },
    {
      method: 'DELETE',
      path: one,
      summary: 'Remove a VLAN pool of which nothing is in use (Leasehold’s own)',
      rules: ['leasehold:vlan_pool:delete'],
      ok: 204,
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:vlan_pool:delete')
        await deletePool(deps.db, await poolFor(deps, call))
      },
    },
  ]
}

const checkChangeable = validatorOf(changeable)

async function poolFor(deps: ApiDeps, call: Call): Promise<VlanPool> {
  const ident = call.params.pool as string
  const by = lookupOf(ident, true)
  const pool = by && (await findPool(deps.db, by))
  if (!pool) throw new LeaseholdError('not-found', `VLAN pool ${ident.slice(0, 255)} could not be found.`)
  noteTarget(call, 'vlan_pool', pool.uuid)
  return pool
}

const show = (pool: VlanPool): Record<string, unknown> => ({
  uuid: pool.uuid,
  name: pool.name,
  physical_network: pool.physical_network,
  ranges: pool.ranges,
  free: pool.free,
  used: pool.used,
  leaving: pool.leaving,
  created_at: isoTime(pool.created_at),
  updated_at: isoTime(pool.updated_at),
})
