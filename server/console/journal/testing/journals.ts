/** Journals for tests, and what one says of them. */
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import {
  defaultLimits,
  type Entry,
  endOf,
  type Journal,
  type JournalOptions,
  journalDirectory,
  type Limits,
  type Mark,
  openJournal,
  readJournal,
  type Span,
} from '../index.ts'

/** Directories of nodes that no other test has, below a root that goes when the file's tests are done. */
export function journalRoot(): { readonly root: string; newDirectory(): string } {
  let root = ''
  let nodes = 0
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'journal-'))
  })
  afterAll(() => rm(root, { recursive: true, force: true }))
  return {
    get root() {
      return root
    },
    newDirectory() {
      nodes += 1
      return journalDirectory(root, `00000000-0000-4000-8000-${String(nodes).padStart(12, '0')}`)
    },
  }
}

type Opening = Partial<Omit<JournalOptions, 'limits'>> & { readonly limits?: Partial<Limits> }

export const open = (directory: string, { limits, ...options }: Opening = {}): Journal =>
  openJournal({ directory, fence: 1, minimumOffset: 0, ...options, limits: { ...defaultLimits, ...limits } })

export const all = (directory: string, options?: Span): Promise<Entry[]> =>
  Array.fromAsync(readJournal(directory, options))

/** What entries say, without times and with pieces of bytes joined. */
export function told(entries: readonly Entry[]): (string | Mark)[] {
  const said: (string | Mark)[] = []
  for (const { bytes, mark } of entries) {
    const last = said.at(-1)
    if (mark) said.push(mark)
    else if (typeof last === 'string') said[said.length - 1] = last + bytes.toString('latin1')
    else said.push(bytes.toString('latin1'))
  }
  return said
}

export const files = (directory: string): string[] =>
  readdirSync(directory)
    .sort()
    .map((name) => join(directory, name))

export const gap = (reason: string, from: number, to: number): Mark => ({
  kind: 'gap',
  reason,
  from,
  to,
  bytes: to - from,
})

/** A journal as it ought to be: a byte or the reason for its missing at each offset, and the marks that have a number. */
export interface Model {
  line: (number | string)[]
  marks: { offset: number; number: number }[]
}

export const newModel = (): Model => ({ line: [], marks: [] })

export const missing = (bytes: number, reason: string): string[] => Array<string>(bytes).fill(reason)

export function modelOf(entries: readonly Entry[], from: number): Model {
  const model = newModel()
  for (const entry of entries) {
    expect(entry.offset).toBe(from + model.line.length)
    const bytes = endOf(entry) - entry.offset
    if (entry.bytes) model.line.push(...entry.bytes)
    else if (bytes > 0) model.line.push(...missing(bytes, String(entry.mark.reason)))
    else if (entry.mark.kind !== 'gap')
      model.marks.push({ offset: entry.offset, number: entry.mark.number as number })
  }
  return model
}

export function sliceOf({ line, marks }: Model, from: number, to: number): Model {
  return {
    line: line.slice(from, to),
    marks: marks.filter(({ offset }) => offset >= from && offset < to),
  }
}
