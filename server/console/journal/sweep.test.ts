import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { descriptorPool } from './descriptors.ts'
import { defaultLimits, extent, journalDirectory, removeJournal, sweep } from './index.ts'
import { all, files, gap, journalRoot, open, told } from './testing/journals.ts'

const hour = 3_600_000
const limits = { ...defaultLimits, segmentBytes: 1_000, maxAgeMs: 24 * hour }

/** Makes the first files of a journal older. */
function age(directory: string, count: number, ms: number): void {
  const time = new Date(Date.now() - ms)
  for (const file of files(directory).slice(0, count)) utimesSync(file, time, time)
}

const sizeOf = (directory: string) => files(directory).reduce((sum, file) => sum + statSync(file).size, 0)

describe('The sweep', () => {
  const old = journalRoot()
  test('removes what is too old, and the journal goes on at its offset though all of it went', async () => {
    const directory = old.newDirectory()
    const journal = open(directory, { limits })
    for (let count = 0; count < 10; count += 1) journal.append(Buffer.alloc(900, count))
    age(directory, 4, 25 * hour)
    await sweep(old.root, { limits })
    expect(extent(directory)).toEqual({ start: 3_600, end: 9_000 })

    age(directory, 100, 25 * hour)
    expect(await sweep(old.root, { limits })).toEqual({ removed: 0, bytes: expect.any(Number) })
    expect(sizeOf(directory)).toBe(0)
    expect(extent(directory)).toEqual({ start: 9_000, end: 9_000 })
    expect(told(await all(directory, { from: 100, to: 9_000 }))).toEqual([gap('expired', 100, 9_000)])
    journal.close()
    expect(open(directory, { fence: 2, limits }).append(Buffer.from('x'))).toBe(9_000)
  })

  test('does not take the file from under a writer that was silent for long', async () => {
    const directory = old.newDirectory()
    let time = Date.now() - 48 * hour
    const journal = open(directory, { limits, now: () => time })
    journal.append(Buffer.from('long ago'))
    age(directory, 1, 48 * hour)
    await sweep(old.root, { limits })
    time = Date.now()
    expect(journal.append(Buffer.from('now'))).toBe(8)
    expect(told(await all(directory))).toEqual(['now'])
  })

  const gone = journalRoot()
  test('removes journals of nodes that are gone, and nothing that is not a journal', async () => {
    const [kept, lost] = [gone.newDirectory(), gone.newDirectory()]
    for (const directory of [kept, lost]) open(directory).append(Buffer.from('x'))
    mkdirSync(join(gone.root, 'other'))
    writeFileSync(join(gone.root, 'note'), 'x')
    const swept = await sweep(gone.root, {
      limits,
      tenants: async () => new Map([[basename(kept), 'its tenant']]),
    })
    expect(swept).toEqual({ removed: 1, bytes: sizeOf(kept) })
    expect(existsSync(lost)).toBe(false)
    expect(readdirSync(gone.root).sort()).toEqual([kept.slice(gone.root.length + 1), 'note', 'other'])
    await removeJournal(kept)
    expect(existsSync(kept)).toBe(false)
    await expect(removeJournal(gone.root)).rejects.toThrow('UUID')
    expect(existsSync(gone.root)).toBe(true)
  })

  const full = journalRoot()
  test('keeps all journals together below their quota: the oldest segments go first, no newest one', async () => {
    const directories = Array.from({ length: 5 }, () => full.newDirectory())
    for (const directory of directories) {
      const journal = open(directory, { limits })
      for (let count = 0; count < 10; count += 1) journal.append(Buffer.alloc(900, count))
    }
    age(directories[2] as string, 100, 2 * hour)
    await sweep(full.root, { limits: { ...limits, totalBytes: 40_000 } })
    expect(directories.reduce((sum, directory) => sum + sizeOf(directory), 0)).toBeLessThanOrEqual(40_000)
    expect(files(directories[2] as string)).toHaveLength(3)
    await sweep(full.root, { limits: { ...limits, totalBytes: 0 } })
    for (const directory of directories) expect(extent(directory)).toEqual({ start: 8_100, end: 9_000 })
  })

  const shared = journalRoot()
  test('takes from the tenant that has most: who prints much pushes out nobody who does not', async () => {
    const [quiet, loud, louder] = [5, 40, 60].map((count) => {
      const directory = shared.newDirectory()
      const journal = open(directory, { limits })
      for (let index = 0; index < count; index += 1) journal.append(Buffer.alloc(900, index))
      return directory
    }) as [string, string, string]
    // The quiet one's is the oldest of all.
    age(quiet, 100, 2 * hour)
    const tenants = async () =>
      new Map([quiet, loud, louder].map((each) => [basename(each), each === quiet ? 'quiet' : 'loud']))
    await sweep(shared.root, { limits: { ...limits, totalBytes: 30_000 }, tenants })
    expect(files(quiet)).toHaveLength(5)
    expect(sizeOf(quiet) + sizeOf(loud) + sizeOf(louder)).toBeLessThanOrEqual(30_000)
    await sweep(shared.root, {
      limits: { ...limits, totalBytes: 15_000 },
      tenants: async (names) => new Map(names.map((name) => [name, name])),
    })
    expect(files(quiet)).toHaveLength(5)
  })

  test('of a directory that is not there yet does nothing', async () => {
    expect(await sweep(join(full.root, 'none'), { limits })).toEqual({ removed: 0, bytes: 0 })
  })
})

describe('A thousand journals', () => {
  const many = journalRoot()
  test('keep a bounded number of files open, and every byte', async () => {
    const opened = new Set<number>()
    const descriptors = descriptorPool(8)
    const directories = Array.from({ length: 1_000 }, () => many.newDirectory())
    const journals = directories.map((directory) => open(directory, { descriptors }))
    for (const round of [1, 2, 3])
      for (const journal of journals) {
        journal.append(Buffer.from(`${round}`))
        opened.add(descriptors.open)
      }
    expect(Math.max(...opened)).toBe(8)
    for (const directory of directories.slice(0, 20)) expect(told(await all(directory))).toEqual(['123'])
    for (const journal of journals) journal.close()
    expect(descriptors.open).toBe(0)
  })

  test('that is restarted all day has a bounded number of files', () => {
    const directory = journalDirectory(many.root, 'ffffffff-0000-4000-8000-000000000000')
    for (let fence = 1; fence <= 400; fence += 1) {
      const journal = open(directory, { fence })
      journal.append(Buffer.from('x'))
      journal.close()
    }
    expect(files(directory).length).toBeLessThanOrEqual(257)
    expect(extent(directory).end).toBe(400)
  })
})
