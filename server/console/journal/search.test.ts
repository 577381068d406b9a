import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Match, type SearchOptions, search } from './index.ts'
import { journalRoot, open } from './testing/journals.ts'

const { newDirectory } = journalRoot()

const found = (directory: string, options: SearchOptions): Promise<Match[]> =>
  Array.fromAsync(search(directory, options))

describe('A search', () => {
  test('gives the offset, the time and the line, without what colours it', async () => {
    const directory = newDirectory()
    const journal = open(directory, { now: () => 1_800_000_000_000 })
    journal.append(Buffer.from('first line\r\n\u001b[31mkernel panic\u001b[0m: no init\r\nlast'))
    expect(await found(directory, { what: 'panic' })).toEqual([
      { offset: 24, at: new Date(1_800_000_000_000), line: 'kernel panic: no init' },
    ])
  })

  test('finds what crosses records, marks and segments, but nothing across a gap', async () => {
    const directory = newDirectory()
    const journal = open(directory, { limits: { segmentBytes: 30 } })
    for (const character of 'say login: and login: ') {
      journal.append(Buffer.from(character))
      journal.mark({ kind: 'note' })
    }
    expect((await found(directory, { what: 'login:' })).map(({ offset }) => offset)).toEqual([4, 15])
    journal.append(Buffer.from('log'))
    journal.mark({ kind: 'gap', reason: 'overrun', bytes: 10 })
    journal.append(Buffer.from('in: '))
    expect(await found(directory, { what: 'login:' })).toHaveLength(2)
  })

  test('of any bytes finds just what is there', { timeout: 60_000 }, async () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '\n'), minLength: 1, maxLength: 300 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(letters, { minLength: 1, maxLength: 20 }),
        fc.string({ unit: fc.constantFrom('a', 'b', 'A'), minLength: 1, maxLength: 4 }),
        fc.boolean(),
        fc.nat(100),
        fc.nat(100),
        async (pieces, what, ignoreCase, one, other) => {
          const directory = newDirectory()
          const journal = open(directory, { limits: { segmentBytes: 500 } })
          for (const piece of pieces) journal.append(Buffer.from(piece))
          const line = pieces.join('')
          const from = Math.floor((Math.min(one, other) * line.length) / 100)
          const to = Math.floor((Math.max(one, other) * line.length) / 100)
          const span = ignoreCase ? line.slice(from, to).toLowerCase() : line.slice(from, to)
          const needle = ignoreCase ? what.toLowerCase() : what
          const expected: number[] = []
          for (let at = span.indexOf(needle); at >= 0; at = span.indexOf(needle, at + needle.length))
            expected.push(from + at)
          const matches = await found(directory, { what, ignoreCase, from, to, limit: 10_000 })
          expect(matches.map(({ offset }) => offset)).toEqual(expected)
          for (const match of matches) expect(line.slice(from, to)).toContain(match.line)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('holds little, however much it reads, and crosses blocks', async () => {
    const directory = newDirectory()
    const journal = open(directory)
    const sought = 'needle in a line\n'
    const expected: number[] = []
    for (let count = 0; count < 300; count += 1) {
      journal.append(Buffer.alloc(9_973, 'hay\n'))
      expected.push(journal.append(Buffer.from(sought)))
    }
    const matches = await found(directory, { what: 'NEEDLE', ignoreCase: true, limit: 1_000 })
    expect(matches.map(({ offset }) => offset)).toEqual(expected)
    expect(await found(directory, { what: 'needle', limit: 7 })).toHaveLength(7)
  })

  test('shows 512 characters of a line at most, whatever the machine made of it', async () => {
    const directory = newDirectory()
    const journal = open(directory)
    for (let count = 0; count < 1_000; count += 1) journal.append(Buffer.from('\u001b[4000Cx\u001b[H'))
    const matches = await found(directory, { what: 'x' })
    expect(matches).toHaveLength(100)
    for (const { line } of matches) expect(line.length).toBeLessThanOrEqual(512)
  })

  test('takes bytes, too, refuses to look for nothing, and ends when it is told to', async () => {
    const directory = newDirectory()
    open(directory).append(Buffer.from([0, 255, 0, 254]))
    const what = Buffer.from([255, 0])
    expect((await found(directory, { what })).map(({ offset }) => offset)).toEqual([1])
    await expect(found(directory, { what: '' })).rejects.toThrow('1 to 1024 bytes')
    await expect(found(directory, { what, signal: AbortSignal.abort() })).rejects.toThrow('abort')
  })
})
