/** What a switch and its ports are called in bodies and answers. Credentials go in and never come out. */
import { type Static, type TSchema, Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import type { Switch, SwitchPortRow } from '../../networking/index.ts'
import { isoTime } from '../baremetal/fields.ts'

const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const optional = <T extends TSchema>(schema: T) => Type.Optional(schema)

/** One line of printable characters: what may end up in a command line of a switch, or near one. */
export const line = (maxLength: number, minLength = 1) =>
  Type.String({ minLength, maxLength, pattern: '^[ -~]*$' })
export const resourceName = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' })
export const vlanId = Type.Integer({ minimum: 1, maximum: 4094 })
const strings = (maxItems: number) => Type.Array(line(255), { maxItems })
const pem = Type.String({ maxLength: 65_536 })

const credentials = Type.Object(
  {
    username: optional(line(255)),
    password: optional(Type.String({ minLength: 1, maxLength: 1024 })),
    private_key: optional(pem),
    client_certificate: optional(pem),
    client_key: optional(pem),
  },
  { additionalProperties: false },
)

const trust = Type.Object(
  {
    host_keys: optional(strings(16)),
    ca: optional(pem),
    certificates: optional(strings(16)),
    insecure: optional(Type.Literal('I accept any host key and any certificate')),
  },
  { additionalProperties: false },
)

const options = Type.Object(
  {
    /** Numbers of LAGs that may be made. */
    lag_groups: optional(Type.String({ maxLength: 200, pattern: '^[0-9, -]+$' })),
    /** The switch that it shares a vPC, MLAG or VLT domain with: its name. */
    peer: optional(resourceName),
    save: optional(Type.Boolean()),
    settings: optional(Type.Record(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_]{0,63}$' }), line(255))),
  },
  { additionalProperties: false },
)

const fields = {
  name: resourceName,
  driver: resourceName,
  address: line(255),
  chassis_ids: Type.Array(line(64), { maxItems: 16 }),
  physical_network: resourceName,
  quarantine_vlan: vlanId,
  trust,
  options,
  credentials: nullable(credentials),
}
export type SwitchInput = Static<ReturnType<typeof Type.Object<typeof fields>>>

export const newSwitchBody = Type.Object(
  {
    ...fields,
    chassis_ids: optional(fields.chassis_ids),
    physical_network: optional(fields.physical_network),
    trust: optional(trust),
    options: optional(options),
    credentials: optional(fields.credentials),
  },
  { additionalProperties: false },
)
/** After a PATCH, all of it. */
export const wholeSwitch = Type.Object(fields, { additionalProperties: false })

export const switchPortBody = Type.Object(
  {
    kind: Type.Union([Type.Literal('node'), Type.Literal('uplink'), Type.Literal('protected')]),
    aliases: optional(strings(16)),
    owner: optional(nullable(line(64))),
    mtu: optional(nullable(Type.Integer({ minimum: 576, maximum: 16_000 }))),
    description: optional(nullable(line(255, 0))),
  },
  { additionalProperties: false },
)
export type SwitchPortInput = Static<typeof switchPortBody>

export const portName = (name: string): string => {
  if (/^[!-~]{1,128}$/.test(name)) return name
  throw new LeaseholdError(
    'invalid',
    'A switch port is named by 1 to 128 printable characters without spaces.',
  )
}

export const showSwitch = (row: Switch): Record<string, unknown> => ({
  uuid: row.uuid,
  name: row.name,
  driver: row.driver,
  address: row.address,
  chassis_ids: row.chassis_ids,
  physical_network: row.physical_network,
  quarantine_vlan: row.quarantine_vlan,
  trust: row.trust,
  options: row.options,
  has_credentials: row.sealed_credentials !== null,
  state: row.state,
  reason: row.reason,
  checked_at: isoTime(row.checked_at),
  created_at: isoTime(row.created_at),
  updated_at: isoTime(row.updated_at),
})

export const showSwitchPort = (row: SwitchPortRow): Record<string, unknown> => ({
  name: row.name,
  kind: row.kind,
  aliases: row.aliases,
  owner: row.owner,
  mtu: row.mtu,
  description: row.description,
  node_uuid: row.node_uuid,
  wanted: row.wanted,
  verified: row.verified,
  error: row.error,
  drift: row.drift,
})
