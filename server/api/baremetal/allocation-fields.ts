/** The fields of an allocation, one row each. */
import { type TSchema, Type } from 'typebox'
import type { Allocation } from '../../scheduling/index.ts'
import { anyObject, createSchema, type Field, nullable, object, plain, time } from './fields.ts'

const since = 52
const settable = { create: true, patch: true } as const

export const allocationFields: readonly Field<Allocation>[] = [
  plain('uuid', since, { schema: Type.String({ maxLength: 45 }), create: true }),
  plain('name', since, { schema: nullable(Type.String({ maxLength: 255 })), ...settable }),
  plain('state', since),
  plain('owner', 60, { schema: nullable(Type.String({ maxLength: 255 })), create: true }),
  plain('node_uuid', since),
  plain('resource_class', since, { schema: nullable(Type.String({ maxLength: 80 })), create: true }),
  unsortable('traits', Type.Array(Type.String({ maxLength: 255 }), { maxItems: 1000 })),
  unsortable('candidate_nodes', Type.Array(Type.String({ maxLength: 255 }), { maxItems: 10_000 })),
  object('extra', since, { schema: nullable(anyObject), ...settable }),
  plain('last_error', since),
  time('created_at', since),
  time('updated_at', since),
]

/** `node` is not a field: it asks for the allocation of a node that has its instance already. */
export const allocationCreateBody = Type.Object(
  {
    ...(createSchema(allocationFields, []) as TSchema & { properties: Record<string, TSchema> }).properties,
    node: Type.Optional(nullable(Type.String({ maxLength: 255 }))),
  },
  { additionalProperties: false },
)

export interface AllocationBody {
  uuid?: string
  name?: string | null
  owner?: string | null
  resource_class?: string | null
  traits?: string[] | null
  candidate_nodes?: string[] | null
  extra?: Record<string, unknown> | null
  node?: string | null
}

function unsortable(name: 'traits' | 'candidate_nodes', items: TSchema): Field<Allocation> {
  const { sort: _, ...field } = plain<Allocation>(name, since, { schema: nullable(items), create: true })
  return field
}
