/** Query parameters: a table says what each route takes; everything else is refused by name. */
import { LeaseholdError } from '../../errors.ts'
import { normalUuid } from './identifiers.ts'
import { notAcceptable } from './versions.ts'

/** One parameter: how its text is read, and since when it exists. */
export interface Parameter {
  since?: number
  /** Answers 400 instead of 406 below `since`. */
  refused?: string
  /** For OpenAPI. */
  type: 'string' | 'boolean' | 'integer' | 'array'
  read: (text: string, name: string) => unknown
}

export type QuerySchema = Readonly<Record<string, Parameter>>

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

/** 1 t true on y yes, 0 f false off n no, in any case; undefined for anything else. */
export function readBoolean(text: string): boolean | undefined {
  if (/^(1|t|true|on|y|yes)$/i.test(text)) return true
  if (/^(0|f|false|off|n|no)$/i.test(text)) return false
  return undefined
}

export const text = (since?: number): Parameter => ({
  type: 'string',
  read: (value) => value,
  ...(since === undefined ? {} : { since }),
})

export const boolean = (since?: number): Parameter => ({
  type: 'boolean',
  read: (value, name) => {
    const read = readBoolean(value)
    if (read === undefined)
      throw invalid(
        `Invalid input for query parameter ${name}: "${value}" is not a boolean; use true or false.`,
      )
    return read
  },
  ...(since === undefined ? {} : { since }),
})

export const uuid = (since?: number): Parameter => ({
  type: 'string',
  read: (value, name) => {
    const read = normalUuid(value)
    if (!read) throw invalid(`Expected a UUID but received ${value} for query parameter ${name}.`)
    return read
  },
  ...(since === undefined ? {} : { since }),
})

/** A comma list without doubles. */
export const list = (since?: number): Parameter => ({
  type: 'array',
  read: (value) => [...new Set(value.split(',').map((item) => item.trim()))].filter(Boolean),
  ...(since === undefined ? {} : { since }),
})

export const limit: Parameter = {
  type: 'integer',
  read: (value) => {
    if (!/^-?\d{1,15}$/.test(value))
      throw invalid(`Invalid input for query parameter limit: "${value}" is not a number.`)
    if (Number(value) <= 0) throw invalid('Limit must be positive')
    return Number(value)
  },
}

const sortDirection: Parameter = {
  type: 'string',
  read: (value) => {
    if (value !== 'asc' && value !== 'desc')
      throw invalid(`Invalid sort direction: ${value}. Acceptable values are 'asc' or 'desc'`)
    return value
  },
}

/** What every list takes. */
export const paging: QuerySchema = { limit, marker: uuid(), sort_key: text(), sort_dir: sortDirection }
export const fields: QuerySchema = {
  fields: {
    ...list(8),
    read: (value) => [...new Set(value.toLowerCase().split(','))].map((each) => each.trim()),
  },
}
export const detail: QuerySchema = {
  detail: { ...boolean(43), refused: 'Invalid query parameter ?detail=True received.' },
}

/**
 * Reads a query by its table.
 * @throws LeaseholdError 'invalid' naming the parameter; 'not-acceptable' for one that is newer than the version.
 */
export function readQuery(
  schema: QuerySchema,
  query: Record<string, unknown>,
  version: number,
): Record<string, unknown> {
  const unknown = Object.keys(query).filter((name) => !Object.hasOwn(schema, name))
  if (unknown.length > 0)
    throw invalid(`Unexpected arguments: ${unknown.slice(0, 10).join(', ').slice(0, 300)}`)
  const read: Record<string, unknown> = {}
  for (const [name, given] of Object.entries(query)) {
    const parameter = schema[name] as Parameter
    if (parameter.since !== undefined && version < parameter.since)
      throw parameter.refused ? invalid(parameter.refused) : notAcceptable(parameter.since)
    // A parameter given twice: the last one, as most servers do.
    const value = Array.isArray(given) ? given.at(-1) : given
    if (String(value).includes('\0'))
      throw invalid(`The query parameter ${name} has a NUL character; remove it.`)
    read[name] = parameter.read(String(value), name)
  }
  return read
}
