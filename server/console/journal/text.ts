/** A journal as text to download: the bytes as they were, or lines to read. */
import { plainText } from './plain.ts'
import type { Entry } from './reader.ts'
import { type Mark, missingBytes } from './record.ts'

export interface TextOptions {
  /** Lines without control sequences, in UTF-8, rather than the bytes as they were. */
  readonly plain?: boolean
  /** Whether marks are told, each in a line of its own. */
  readonly marks?: boolean
}

export async function* asText(
  entries: AsyncIterable<Entry>,
  options: TextOptions = {},
): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder()
  const plain = plainText()
  let ended = true
  for await (const { at, bytes, mark } of entries) {
    if (bytes) {
      const text = options.plain ? Buffer.from(plain.write(decoder.decode(bytes, { stream: true }))) : bytes
      if (text.length > 0) yield text
      ended = bytes.at(-1) === 0x0a
    } else if (options.marks) {
      const before = options.plain ? plain.end() : ''
      const newline = options.plain ? '\n' : '\r\n'
      yield Buffer.from(
        `${before}${ended ? '' : newline}[${at.toISOString()} ${describeMark(mark)}]${newline}`,
      )
      ended = true
    }
  }
  const rest = options.plain ? plain.write(decoder.decode()) + plain.end() : ''
  if (rest.length > 0) yield Buffer.from(rest)
}

/** A mark in a few words: `power state=off`, `gap: 120 bytes (disk full)`. */
export function describeMark(mark: Mark): string {
  const { kind, reason, ...details } = mark
  if (missingBytes(mark) > 0) return `gap: ${missingBytes(mark)} bytes (${reason ?? 'unknown'})`
  const words = Object.entries({ ...(reason === undefined ? {} : { reason }), ...details })
  return [kind, ...words.map(([name, value]) => `${name}=${wordOf(value)}`)].join(' ')
}

const wordOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
