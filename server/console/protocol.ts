/** What comes in text frames of subprotocol `leasehold.console`, checked. */
import type { Request } from './types.ts'

/** Subprotocol with control messages as text frames; without it a connection carries nothing but bytes. */
export const subprotocol = 'leasehold.console'

/** Reads a request; undefined for what is none. */
export function requestOf(text: string): Request | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { type, columns, rows } = value as Record<string, unknown>
  if (type === 'resize') return isSize(columns) && isSize(rows) ? { type, columns, rows } : undefined
  return plain.find((each) => each.type === type)
}

const plain = [
  { type: 'break' },
  { type: 'write' },
  { type: 'take' },
  { type: 'force' },
  { type: 'release' },
  { type: 'ping' },
] as const satisfies Request[]

const isSize = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) > 0 && (value as number) <= 10_000
