/** Tags of networks, ports and subnets. */
import { Type } from 'typebox'
import type { RuleName } from '../../../access/index.ts'
import { changeNetwork, changePort, changeSubnet } from '../../../networking/index.ts'
import { network, port, type Resource, subnet } from './resources.ts'
import { type Call, ownRowFor, type Route, rowFor } from './routes.ts'

const tag = Type.String({ minLength: 1, maxLength: 255 })
const body = Type.Object(
  { tags: Type.Array(tag, { maxItems: 50, uniqueItems: true }) },
  { additionalProperties: false },
)

const tagged = [
  [network, 'leasehold:network:update', changeNetwork],
  [port, 'leasehold:network_port:update', changePort],
  [subnet, 'leasehold:network:update', changeSubnet],
] as const

export const tagRoutes: readonly Route[] = tagged.flatMap(([resource, rule, change]): Route[] => {
  const path = `/${resource.collection}/:id/tags`
  const set = async (call: Call, resource: Resource, rule: RuleName, tags: string[]) => {
    const row = await ownRowFor(call, resource, rule)
    await change(call.deps.db, row.id, { tags })
  }
  return [
    {
      method: 'GET',
      path,
      ok: 200,
      handler: async (call) => ({ tags: (await rowFor(call, resource, call.params.id as string)).tags }),
    },
    {
      method: 'PUT',
      path,
      body,
      ok: 200,
      handler: async (call) => {
        const { tags } = call.body as { tags: string[] }
        await set(call, resource, rule, tags)
        return { tags }
      },
    },
    { method: 'DELETE', path, ok: 204, handler: (call) => set(call, resource, rule, []) },
  ]
})
