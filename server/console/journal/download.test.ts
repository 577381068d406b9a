import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asAsciicast, asText, type Entry, readJournal, search, type TextOptions } from './index.ts'
import { plainText } from './plain.ts'
import { journalRoot, open } from './testing/journals.ts'

const { newDirectory } = journalRoot()
const at = (ms: number) => new Date(1_800_000_000_000 + ms)

async function* from(entries: readonly Entry[]): AsyncGenerator<Entry> {
  yield* entries
}

async function text(entries: readonly Entry[], options?: TextOptions): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(asText(from(entries), options)))
}

async function cast(entries: readonly Entry[], options: { title?: string; maxIdleMs?: number } = {}) {
  const lines = await Array.fromAsync(asAsciicast(from(entries), { width: 80, height: 25, ...options }))
  for (const line of lines) expect(line.indexOf('\n')).toBe(line.length - 1)
  const [header, ...events] = lines.map((line) => JSON.parse(line))
  return { header, events: events as [number, string, string][] }
}

const plain = (output: string) => {
  const lines = plainText()
  return lines.write(output) + lines.end()
}

describe('As text', () => {
  test('a journal is its bytes, all of them', async () => {
    const every = Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte))
    const entries = [...every].map((byte, offset) => ({ offset, at: at(offset), bytes: Buffer.from([byte]) }))
    expect(await text(entries)).toEqual(every)
  })

  test('marks are told in lines of their own where asked for', async () => {
    const entries = [
      { offset: 0, at: at(0), bytes: Buffer.from('half a line') },
      { offset: 11, at: at(5), mark: { kind: 'power', state: 'off' } },
      { offset: 11, at: at(6), mark: { kind: 'gap', reason: 'disk full', bytes: 7 } },
      { offset: 18, at: at(7), bytes: Buffer.from('rest') },
    ]
    const told = [
      'half a line',
      `[${at(5).toISOString()} power state=off]`,
      `[${at(6).toISOString()} gap: 7 bytes (disk full)]`,
      'rest',
    ]
    expect((await text(entries, { marks: true })).toString()).toBe(told.join('\r\n'))
    expect((await text(entries, { marks: true, plain: true })).toString()).toBe(told.join('\n'))
    expect((await text(entries)).toString()).toBe('half a linerest')
  })

  test.each([
    ['colours', '\u001b[1;31mred\u001b[0m plain\r\n', 'red plain\n'],
    ['a progress bar', ' 10%\r 50%\r100%\r\n', '100%\n'],
    ['typing with backspace', 'lx\b \bs\r\n', 'ls\n'],
    ['erasing to the end of the line', 'abcdef\rabc\u001b[K\n', 'abc\n'],
    ['a title', '\u001b]0;root@node: ~\u0007# \u001b]2;x\u001b\\ls\n', '# ls\n'],
    ['character sets', '\u001b(0lqk\u001b(B\u001b)0done\n', 'lqkdone\n'],
    ['a screen program', '\u001b[2J\u001b[1;1HMenu\u001b[3;5HBoot\u001b[4;5HSetup', 'Menu\nBoot\nSetup'],
    ['moves within a line', 'ab\u001b[3Cc\u001b[2Dd\n', 'ab  dc\n'],
    ['a title that never ends', '\u001b]0;noise\nlogin:', '\nlogin:'],
    ['a sequence that is broken off', '\u001b[12\u0018ok\u001b[1\u001b[0mok', 'okok'],
  ])('%s are read as one sees them', (_, output, expected) => {
    expect(plain(output)).toBe(expected)
  })

  test.each([
    ['jumps', '\u001b[4000Cx\u001b[H'],
    ['erasures', '\u001b[4000Cx\u001b[2K'],
  ])('a few bytes of %s do not become a long line each', (_, piece) => {
    const output = piece.repeat(10_000)
    expect(plain(output).length).toBeLessThan(10 * output.length)
  })

  test('lines hold no control characters, whatever comes and however it is cut', () => {
    const pieces = fc.constantFrom(
      '\u001b',
      '[',
      ']',
      '3',
      ';',
      'K',
      'H',
      'C',
      'a',
      'ü',
      '\r',
      '\n',
      '\b',
      '\u0007',
      '\u009b',
      'P',
      '\\',
    )
    fc.assert(
      fc.property(fc.array(fc.string({ unit: pieces, maxLength: 12 })), (parts) => {
        const lines = plainText()
        const cut = parts.map((part) => lines.write(part)).join('') + lines.end()
        expect(cut).toBe(plain(parts.join('')))
        expect(cut).not.toMatch(/[^\P{Cc}\n\t]/u)
      }),
    )
  })
})

describe('As asciicast', () => {
  test('a journal is a header and events with the seconds since the first', async () => {
    const { header, events } = await cast(
      [
        { offset: 0, at: at(0), bytes: Buffer.from('a\u001b[1m') },
        { offset: 5, at: at(1_500), mark: { kind: 'power', state: 'on' } },
        { offset: 5, at: at(2_250), bytes: Buffer.from('b') },
      ],
      { title: 'node "1"' },
    )
    expect(header).toEqual({ version: 2, width: 80, height: 25, timestamp: 1_800_000_000, title: 'node "1"' })
    expect(events).toEqual([
      [0, 'o', 'a\u001b[1m'],
      [1.5, 'm', 'power state=on'],
      [2.25, 'o', 'b'],
    ])
  })

  test('long silences are cut down, and a clock that is set back does not turn it back', async () => {
    const times = [0, 86_400_000, 86_401_000, 4_000, 5_000]
    const { events } = await cast(
      times.map((ms, offset) => ({ offset, at: at(ms), bytes: Buffer.from('x') })),
      { maxIdleMs: 2_000 },
    )
    expect(events.map(([seconds]) => seconds)).toEqual([0, 2, 3, 3, 4])
  })

  test('characters that records share are whole, and bytes that are no UTF-8 are said to be so', async () => {
    const bytes = [...Buffer.from('é€😀')].map((byte) => [byte])
    const entries = [...bytes, [0xff], [0x41], [0xc3]].map((one, offset) => ({
      offset,
      at: at(0),
      bytes: Buffer.from(one),
    }))
    const { events } = await cast(entries)
    expect(events.map(([, , data]) => data).join('')).toBe('é€😀\ufffdA\ufffd')
  })

  test('of an empty span is a recording without events', async () => {
    expect(await cast([])).toEqual({ header: { version: 2, width: 80, height: 25 }, events: [] })
  })
})

describe('What is outside of the asked span', () => {
  test('is what is written after the reading began, too', async () => {
    const directory = newDirectory()
    const journal = open(directory)
    journal.append(Buffer.alloc(300_000, 'before\n'))
    const reading = readJournal(directory)
    const finding = search(directory, { what: 'o', limit: 100_000 })
    expect([(await reading.next()).done, (await finding.next()).done]).toEqual([false, false])
    journal.append(Buffer.from('later, of somebody else: XXX'))
    expect((await text(await Array.fromAsync(reading))).includes('XXX')).toBe(false)
    for await (const { line } of finding) expect(line).toBe('before')
  })

  test('is in no download and in no line that a search shows', async () => {
    const directory = newDirectory()
    const journal = open(directory)
    journal.append(Buffer.from('password of the former tenant '))
    journal.mark({ kind: 'note', of: 'former' })
    const wall = journal.end
    journal.append(Buffer.from('mine, all mine, '))
    journal.mark({ kind: 'note', of: 'mine' })
    journal.append(Buffer.from('still mine'))
    const end = journal.end
    journal.mark({ kind: 'note', of: 'next' })
    journal.append(Buffer.from(' password of the next tenant'))
    // A mark at the wall was made for the one who comes.
    const span = { from: wall, to: end }
    const said = [
      ...(await Array.fromAsync(asText(readJournal(directory, span), { marks: true }))).map(String),
      ...(await Array.fromAsync(asAsciicast(readJournal(directory, span), { width: 80, height: 25 }))),
      ...(await Array.fromAsync(search(directory, { what: 'mine', ...span }))).map(({ line }) => line),
    ].join('\n')
    expect(said).toContain('mine, all mine')
    expect(said).toContain('of=mine')
    expect(said).not.toMatch(/password|tenant|next/)
    expect(await Array.fromAsync(search(directory, { what: 'tenant', ...span }))).toEqual([])
  })
})
