/** Reads JSON bodies: bounded in depth, and free of what PostgreSQL cannot hold. */
import { isUtf8 } from 'node:buffer'
import { LeaseholdError } from '../errors.ts'

const maximumDepth = 25

/** A body beyond a bound of its size or nesting. */
export class BodyLimitError extends LeaseholdError {}

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

/**
 * Parses a body; an empty one is undefined.
 * @throws LeaseholdError 'invalid' for what is not JSON, nested deeper than 25, or holds a NUL or half a surrogate pair.
 */
export function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined
  if (!isUtf8(body)) throw invalid('The request body is not UTF-8 text.')
  const text = body.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid('The request body is not valid JSON.')
  }
  check(value, 1)
  return value
}

function check(value: unknown, depth: number): void {
  if (typeof value === 'string') {
    if (value.includes('\0')) throw invalid('The request body has a NUL character in a string; remove it.')
    if (!value.isWellFormed())
      throw invalid('The request body has a string with half a surrogate pair; send valid Unicode.')
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw invalid('The request body has a number that is too large.')
  } else if (value !== null && typeof value === 'object') {
    if (depth > maximumDepth)
      throw new BodyLimitError('invalid', `The request body is nested deeper than ${maximumDepth} levels.`)
    for (const [key, inner] of Object.entries(value)) {
      if (!Array.isArray(value)) check(key, depth)
      check(inner, depth + 1)
    }
  }
}
