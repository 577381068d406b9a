import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { descriptorPool, extent, type Journal, journalDirectory, type Limits } from './index.ts'
import {
  all,
  files,
  gap,
  journalRoot,
  type Model,
  missing,
  modelOf,
  newModel,
  open,
  sliceOf,
  told,
} from './testing/journals.ts'
import { lineByte } from './testing/line.ts'

const journals = journalRoot()
const { newDirectory } = journals

describe('What is appended', () => {
  test('is read back with its offset, its time and the marks between it', async () => {
    const directory = newDirectory()
    const journal = open(directory)
    const before = Date.now()
    expect(journal.append(Buffer.from('login: '))).toBe(0)
    expect(journal.mark({ kind: 'power', state: 'off' })).toBe(7)
    expect(journal.append(Buffer.from('root'))).toBe(7)
    const entries = await all(directory)
    expect(entries.map(({ offset }) => offset)).toEqual([0, 7, 7])
    expect(told(entries)).toEqual(['login: ', { kind: 'power', state: 'off' }, 'root'])
    for (const { at } of entries) expect(at.getTime()).toBeGreaterThanOrEqual(before)
    expect(extent(directory)).toEqual({ start: 0, end: 11 })
    expect(journal).toMatchObject({ start: 0, end: 11, recording: true })
  })

  test('is found from its offset on, however many marks stand there', async () => {
    const directory = newDirectory()
    const journal = open(directory, { limits: { segmentBytes: 100_000 } })
    journal.append(Buffer.from('before'))
    for (let number = 0; number < 6_000; number += 1) journal.mark({ kind: 'note', number })
    expect(files(directory).length).toBeGreaterThan(2)
    journal.append(Buffer.from('after'))
    const { line, marks } = modelOf(await all(directory, { from: 6 }), 6)
    expect(Buffer.from(line as number[]).toString()).toBe('after')
    expect(marks).toEqual(Array.from({ length: 6_000 }, (_, number) => ({ offset: 6, number })))
    expect(told(await all(directory, { to: 6 }))).toEqual(['before'])
  })

  test('goes to a new file when the old one was removed by hand', async () => {
    const directory = newDirectory()
    let time = Date.now()
    const descriptors = descriptorPool(1)
    const journal = open(directory, { now: () => time, descriptors })
    journal.append(Buffer.from('removed'))
    await rm(directory, { recursive: true })
    time += 60_001
    expect(journal.append(Buffer.from('after a while'))).toBe(7)
    expect(told(await all(directory))).toEqual(['after a while'])
    await rm(directory, { recursive: true })
    open(newDirectory(), { descriptors }).append(Buffer.from('takes the descriptor'))
    journal.append(Buffer.from(' and at once'))
    expect(journal.recording).toBe(true)
    expect(told(await all(directory))).toEqual([' and at once'])
  })

  test('is for the service alone to read', () => {
    const directory = newDirectory()
    open(directory).append(Buffer.from('secret'))
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    for (const file of files(directory)) expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  test('makes no file before there is something', () => {
    const directory = newDirectory()
    const journal = open(directory)
    journal.close()
    expect(extent(directory)).toEqual({ start: 0, end: 0 })
    expect(() => readdirSync(directory)).toThrow('ENOENT')
  })

  test('only has a place of its node, never one that a path leads to', () => {
    for (const name of ['..', '../x', '', 'a/b', '00000000-0000-4000-8000-00000000000/'])
      expect(() => journalDirectory(journals.root, name)).toThrow('UUID')
    expect(() => open(journals.root)).toThrow('UUID')
  })
})

/** What a holder does to its journal. */
type Step =
  | { readonly do: 'append'; readonly bytes: Buffer }
  | { readonly do: 'mark'; readonly bytes: number }
  | { readonly do: 'reopen'; readonly fence: boolean; readonly ahead: number }
  | { readonly do: 'kill'; readonly torn: number }
  | { readonly do: 'late'; readonly bytes: Buffer }

const bytesOf = (maximum: number) =>
  fc.uint8Array({ minLength: 1, maxLength: maximum }).map((bytes) => Buffer.from(bytes))
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('append' as const), bytes: bytesOf(300) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('append' as const),
        bytes: fc
          .tuple(fc.integer({ min: 1, max: 100_000 }), fc.nat(255))
          .map(([length, seed]) => Buffer.from(Uint8Array.from({ length }, (_, index) => index * 7 + seed))),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('mark' as const), bytes: fc.constantFrom(0, 0, 0, 1, 5_000) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('reopen' as const),
        fence: fc.boolean(),
        ahead: fc.constantFrom(0, 0, 700),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), torn: fc.nat(400) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('late' as const), bytes: bytesOf(3_000) }) },
  ),
  { minLength: 1, maxLength: 40 },
)

/** Does the steps on disk and in the model. */
function play(directory: string, todo: readonly Step[], limits: Partial<Limits>): Model {
  const model = newModel()
  let fence = 1
  let journal = open(directory, { fence, limits })
  /** Stood still when it was taken over, and does not know. */
  let late: Journal | undefined
  for (const [number, step] of todo.entries()) {
    expect(journal.end).toBe(model.line.length)
    if (step.do === 'append') {
      expect(journal.append(step.bytes)).toBe(model.line.length)
      model.line.push(...step.bytes)
    } else if (step.do === 'mark') {
      if (step.bytes > 0) {
        journal.mark({ kind: 'gap', reason: 'overrun', bytes: step.bytes })
        model.line.push(...missing(step.bytes, 'overrun'))
      } else {
        journal.mark({ kind: 'note', number })
        model.marks.push({ offset: model.line.length, number })
      }
    } else if (step.do === 'reopen') {
      if (step.fence) {
        fence += 1
        late = journal
      } else journal.close()
      const ahead = model.line.length + step.ahead
      journal = open(directory, { fence, minimumOffset: ahead, limits })
      // The rest is written with the next append only; a mark makes it appear.
      journal.mark({ kind: 'note', number })
      model.line.push(...missing(step.ahead, 'elsewhere'))
      model.marks.push({ offset: ahead, number })
    } else if (step.do === 'late') {
      late?.append(step.bytes)
      late?.mark({ kind: 'note', number: -1 })
    } else {
      journal.close()
      tear(directory, fence + 1, step.torn, model)
      fence += 2
      journal = open(directory, { fence, limits })
    }
  }
  journal.close()
  return model
}

/** As a kill in the middle of an append that was not acknowledged leaves it: the file ends within that record. */
function tear(directory: string, fence: number, torn: number, model: Model): void {
  const journal = open(directory, { fence })
  journal.append(Buffer.alloc(380, 'x'))
  journal.close()
  const [path] = files(directory).filter((name) => name.includes(`-${String(fence).padStart(16, '0')}-`))
  const size = statSync(path as string).size
  truncateSync(path as string, Math.min(size - 1, torn))
  expect(extent(directory).end).toBe(model.line.length)
}

describe('Whatever is appended, marked, killed and taken over', () => {
  test('is read back whole, and of every span what is in it', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.constantFrom(2_000, 40_000, 1_048_576),
        fc.array(fc.tuple(fc.nat(1_000), fc.nat(1_000)), { minLength: 3, maxLength: 3 }),
        async (todo, segmentBytes, spans) => {
          const directory = newDirectory()
          const model = play(directory, todo, { segmentBytes })
          const end = model.line.length
          expect(extent(directory)).toEqual({ start: 0, end })
          expect(modelOf(await all(directory), 0)).toEqual(model)
          for (const [one, other] of spans) {
            const [from, to] = [one, other]
              .map((part) => Math.floor((part * end) / 1_000))
              .sort((a, b) => a - b)
            const entries = await all(directory, { from: from as number, to: to as number })
            expect(modelOf(entries, from as number)).toEqual(sliceOf(model, from as number, to as number))
          }
          await rm(directory, { recursive: true, force: true })
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('A record that is not whole', () => {
  test('is cut off, at whatever byte its writer was killed', async () => {
    const directory = newDirectory()
    const journal = open(directory)
    journal.append(Buffer.from('whole'))
    const before = statSync(files(directory)[0] as string).size
    journal.append(Buffer.from('torn'))
    journal.close()
    const [path] = files(directory)
    for (let size = statSync(path as string).size - 1; size >= before; size -= 1) {
      truncateSync(path as string, size)
      expect(extent(directory).end).toBe(5)
      expect(told(await all(directory))).toEqual(['whole'])
    }
    const next = open(directory, { fence: 2 })
    expect(next.append(Buffer.from(' again'))).toBe(5)
    next.close()
    expect(told(await all(directory))).toEqual(['whole again'])
  })
})

describe('What the disk has damaged', () => {
  test('is a gap; what is told beside it is what was written', { timeout: 60_000 }, async () => {
    const directory = newDirectory()
    const journal = open(directory, { limits: { segmentBytes: 100_000 } })
    for (let count = 0; count < 2_000; count += 1)
      journal.append(Buffer.from(Uint8Array.from({ length: 97 }, (_, index) => lineByte(count * 97 + index))))
    const { end } = journal
    await fc.assert(
      fc.asyncProperty(fc.nat(1), fc.nat(90_000), fc.nat(end), async (number, position, from) => {
        const path = files(directory)[number] as string
        const whole = readFileSync(path)
        writeFileSync(path, whole.with(position, (whole[position] as number) ^ 0x55))
        const { line } = modelOf(await all(directory, { from, to: end }), from)
        const reasons = new Set(line.filter((what) => typeof what === 'string'))
        expect([...reasons].filter((reason) => reason !== 'damaged')).toEqual([])
        expect(
          line.findIndex((what, index) => typeof what === 'number' && what !== lineByte(from + index)),
        ).toBe(-1)
        // No more is lost than a block.
        expect(line.filter((what) => typeof what === 'string').length).toBeLessThanOrEqual(32 * 1024)
        expect(line.length).toBe(end - from)
        writeFileSync(path, whole)
      }),
      { numRuns: 40 },
    )
  })
})

describe('Where two holders wrote', () => {
  test('the later one counts from where it began, and the marks before it stay', async () => {
    const directory = newDirectory()
    const first = open(directory, { fence: 7, limits: { segmentBytes: 60 } })
    first.append(Buffer.from('before '))
    first.mark({ kind: 'session', state: 'lost' })
    const second = open(directory, { fence: 8 })
    expect(second.append(Buffer.from('the second'))).toBe(7)
    // It stood still and does not know that it was taken over.
    for (let count = 0; count < 5; count += 1)
      first.append(Buffer.from('the first, much longer than the second'))
    expect(told(await all(directory))).toEqual(['before ', { kind: 'session', state: 'lost' }, 'the second'])
    expect(told(await all(directory, { from: 10, to: 14 }))).toEqual([' sec'])
    expect(extent(directory)).toEqual({ start: 0, end: 17 })
  })

  test('a database that was brought back from a backup does not hide what is recorded since', async () => {
    const directory = newDirectory()
    open(directory, { fence: 50 }).append(Buffer.from('before '))
    open(directory, { fence: 3 }).append(Buffer.from('since'))
    expect(told(await all(directory))).toEqual(['before since'])
  })

  test('what was recorded elsewhere is a gap', async () => {
    const directory = newDirectory()
    const journal = open(directory, { minimumOffset: 100 })
    expect(journal.end).toBe(100)
    expect(journal.append(Buffer.from('here'))).toBe(100)
    journal.close()
    const later = open(directory, { fence: 3, minimumOffset: 200 })
    later.append(Buffer.from('back'))
    expect(told(await all(directory))).toEqual([
      gap('elsewhere', 0, 100),
      'here',
      gap('elsewhere', 104, 200),
      'back',
    ])
    expect(told(await all(directory, { from: 150, to: 201 }))).toEqual([gap('elsewhere', 150, 200), 'b'])
  })
})

describe('A limit', () => {
  test('of bytes drops the oldest segments, and reading there says so and goes on', async () => {
    const directory = newDirectory()
    const journal = open(directory, { limits: { segmentBytes: 10_000, maxBytes: 50_000 } })
    for (let count = 0; count < 100; count += 1) journal.append(Buffer.alloc(1_000, count))
    expect(files(directory).reduce((sum, file) => sum + statSync(file).size, 0)).toBeLessThan(65_000)
    const { start, end } = extent(directory)
    expect(end).toBe(100_000)
    expect(start).toBeGreaterThan(30_000)
    expect(journal.start).toBe(start)
    const [first, ...rest] = await all(directory, { from: 500 })
    expect(first).toMatchObject({ offset: 500, mark: gap('expired', 500, start) })
    expect(rest[0]).toMatchObject({ offset: start })
    expect(told(await all(directory, { from: 10, to: 20 }))).toEqual([gap('expired', 10, 20)])
  })
})
