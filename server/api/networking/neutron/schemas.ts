/** What bodies of the networking API have in common. */
import { type TSchema, Type } from 'typebox'
import { LeaseholdError } from '../../../errors.ts'

export const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
export const optional = <T extends TSchema>(schema: T) => Type.Optional(schema)

export const name = Type.String({ maxLength: 255 })
export const description = Type.String({ maxLength: 255 })
export const uuid = Type.String({ pattern: '^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$' })
export const projectId = Type.String({ minLength: 1, maxLength: 255 })
export const project = { project_id: optional(nullable(projectId)), tenant_id: optional(nullable(projectId)) }

/** A number, as a number or, as `openstack network create` has it, as text. */
export const number = (minimum: number, maximum: number) =>
  Type.Union([
    Type.Integer({ minimum, maximum }),
    Type.String({ pattern: '^[0-9]{1,5}$', description: `${minimum} to ${maximum}` }),
  ])
/** @throws LeaseholdError 'invalid' for a text beyond the bounds. */
export function readNumber(
  name: string,
  value: number | string | null | undefined,
  minimum: number,
  maximum: number,
): number | undefined {
  if (value === undefined || value === null) return undefined
  const read = Number(value)
  if (read >= minimum && read <= maximum) return read
  throw new LeaseholdError('invalid', `${name}: must be a whole number from ${minimum} to ${maximum}`)
}

/** What clients send by themselves and what has one value here. Anything else would be lost silently. */
export const ignored = {
  port_security_enabled: optional(Type.Boolean()),
  availability_zone_hints: optional(Type.Array(Type.Unknown(), { maxItems: 0 })),
}
