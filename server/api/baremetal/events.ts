/** Events that other services tell of: they are logged, and nothing waits for them. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import type { ApiDeps } from '../deps.ts'
import { nullable } from './fields.ts'
import { normalMac, normalUuid } from './identifiers.ts'
import { requireRule } from './node-access.ts'
import type { Route } from './routes.ts'

const shortText = Type.String({ maxLength: 255 })
const event = Type.Object(
  {
    event: Type.Union([
      Type.Literal('network.bind_port'),
      Type.Literal('network.unbind_port'),
      Type.Literal('network.delete_port'),
    ]),
    port_id: Type.String({ maxLength: 45 }),
    mac_address: Type.String({ maxLength: 18 }),
    status: shortText,
    device_id: Type.Optional(nullable(shortText)),
    'binding:host_id': Type.Optional(nullable(shortText)),
    'binding:vnic_type': Type.Optional(nullable(shortText)),
  },
  { additionalProperties: false },
)

export function eventRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'POST',
      path: '/events',
      summary: 'Tell of events outside',
      rules: ['baremetal:events:post'],
      since: 54,
      body: Type.Object(
        { events: Type.Array(event, { minItems: 1, maxItems: 1000 }) },
        { additionalProperties: false },
      ),
      ok: 204,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:events:post')
        const { events } = call.body as { events: { port_id: string; mac_address: string }[] }
        for (const { port_id: port, mac_address: mac } of events) {
          if (!normalUuid(port))
            throw new LeaseholdError('invalid', `Expected a UUID for port_id but received ${port}.`)
          if (!normalMac(mac))
            throw new LeaseholdError('invalid', `Expected a MAC address for mac_address but received ${mac}.`)
        }
        for (const each of events) call.request.log.info({ event: each }, 'external event')
      },
    },
  ]
}
