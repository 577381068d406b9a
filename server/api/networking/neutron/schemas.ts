/** What bodies of the networking API have in common. */
import { type TSchema, Type } from 'typebox'

export const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
export const optional = <T extends TSchema>(schema: T) => Type.Optional(schema)

export const name = Type.String({ maxLength: 255 })
export const description = Type.String({ maxLength: 255 })
export const uuid = Type.String({ pattern: '^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$' })
export const projectId = Type.String({ minLength: 1, maxLength: 255 })
export const project = { project_id: optional(nullable(projectId)), tenant_id: optional(nullable(projectId)) }

/** What clients send by themselves and what has one value here. Anything else would be lost silently. */
export const ignored = {
  port_security_enabled: optional(Type.Boolean()),
  availability_zone_hints: optional(Type.Array(Type.Unknown(), { maxItems: 0 })),
}
