/**
 * A journal as a recording that asciinema plays, with the times at which the bytes came.
 *
 * Version 2 of the format, which asciinema documents at https://docs.asciinema.org/manual/asciicast/v2: its programs of
 * version 2 (Debian's) and version 3 and its player in the browser all read it, version 3 of the format only the latter.
 */
import type { Entry } from './reader.ts'
import { missingBytes } from './record.ts'
import { describeMark } from './text.ts'

export interface AsciicastOptions {
  readonly width: number
  readonly height: number
  readonly title?: string
  /** Silences longer than this are cut down to it; a console may say nothing for weeks. */
  readonly maxIdleMs?: number
}

/** Lines of JSON: a header, then an event a line: output, and marks as markers. */
export async function* asAsciicast(
  entries: AsyncIterable<Entry>,
  options: AsciicastOptions,
): AsyncGenerator<string> {
  const { maxIdleMs = Number.POSITIVE_INFINITY } = options
  // Bytes that are not UTF-8 become U+FFFD; a character that two records share is kept for the second.
  const decoder = new TextDecoder()
  let last: number | undefined
  let elapsedMs = 0
  const event = (code: string, data: string) => `${JSON.stringify([elapsedMs / 1_000, code, data])}\n`

  for await (const entry of entries) {
    const time = entry.at.getTime()
    if (last === undefined) yield header(options, time)
    // A clock that was set back does not turn the recording back.
    elapsedMs += Math.min(Math.max(0, time - (last ?? time)), maxIdleMs)
    last = time
    if (entry.bytes) {
      const text = decoder.decode(entry.bytes, { stream: true })
      if (text !== '') yield event('o', text)
      continue
    }
    const half = missingBytes(entry.mark) > 0 ? decoder.decode() : ''
    if (half !== '') yield event('o', half)
    yield event('m', describeMark(entry.mark))
  }
  if (last === undefined) yield header(options)
  const half = decoder.decode()
  if (half !== '') yield event('o', half)
}

function header({ width, height, title }: AsciicastOptions, startMs?: number): string {
  const timestamp = startMs === undefined ? {} : { timestamp: Math.floor(startMs / 1_000) }
  return `${JSON.stringify({ version: 2, width, height, ...timestamp, ...(title === undefined ? {} : { title }) })}\n`
}
