/** What a caller may give as a configdrive. */
import { LeaseholdError } from '../../errors.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

/** Parts of a configdrive given as an object: since when, and what each may be. */
const parts: Readonly<Record<string, { since: number; is: (value: unknown) => boolean; words: string }>> = {
  meta_data: { since: 56, is: isObject, words: 'an object' },
  network_data: { since: 56, is: isObject, words: 'an object' },
  user_data: {
    since: 56,
    is: (value) => value === null || typeof value === 'object' || typeof value === 'string',
    words: 'an object, a list, text or null',
  },
  vendor_data: { since: 59, is: (value) => value === null || isObject(value), words: 'an object or null' },
}

function isObject(value: unknown): boolean {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

/**
 * The configdrive that a body gives: a URL, base64 text, or (since 1.56) an object; undefined for an empty one.
 * @throws LeaseholdError 'invalid', also for a form that is newer than the version, as Ironic has it.
 */
export function configdriveOf(
  given: unknown,
  target: string,
  version: number,
): string | Record<string, unknown> | undefined {
  if (given === undefined || given === null || given === '') return undefined
  if (target === 'rebuild' && version < 35) throw invalid('A configdrive on rebuild needs API version 1.35.')
  if (typeof given === 'string') {
    if (!given.includes('://') && !isBase64(given))
      throw invalid('configdrive must be a URL, base64 text, or (since 1.56) an object.')
    return given
  }
  const entries = Object.entries(given as Record<string, unknown>)
  if (entries.length === 0) return undefined
  if (version < 56) throw invalid('A configdrive as an object needs API version 1.56.')
  for (const [key, value] of entries) {
    const part = Object.hasOwn(parts, key) ? parts[key] : undefined
    if (!part)
      throw invalid(
        `configdrive: "${key.slice(0, 100)}" is unknown; known are ${Object.keys(parts).join(', ')}.`,
      )
    if (version < part.since) throw invalid(`configdrive: ${key} needs API version 1.${part.since}.`)
    if (!part.is(value)) throw invalid(`configdrive: ${key} must be ${part.words}.`)
  }
  return given as Record<string, unknown>
}

/** In one pass, as it may be 64 MiB of anything. */
function isBase64(text: string): boolean {
  const dense = text.replace(/\s+/g, '')
  return dense.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(dense)
}
