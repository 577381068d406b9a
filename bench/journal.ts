/** What the journal of consoles costs: an append by its size, a thousand journals at once, and reading. Prints a table. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  defaultLimits,
  extent,
  type Journal,
  journalDirectory,
  openJournal,
  readJournal,
  search,
} from '../server/console/journal/index.ts'
import { percentile, short } from './statistics.ts'

const root = mkdtempSync(join(tmpdir(), 'journal-bench-'))
const rows: { what: string; times: number; 'mean µs': string; 'p50 µs': string; 'p99 µs': string }[] = []

let nodes = 0
function journalOf(): { directory: string; journal: Journal } {
  nodes += 1
  const directory = journalDirectory(root, `00000000-0000-4000-8000-${String(nodes).padStart(12, '0')}`)
  return { directory, journal: openJournal({ directory, fence: 1, minimumOffset: 0, limits: defaultLimits }) }
}

/** Does the work so often, waiting for it where it takes its time. */
async function measure(what: string, times: number, work: (turn: number) => unknown): Promise<void> {
  const each: number[] = []
  for (let turn = 0; turn < times; turn += 1) {
    const startedAt = performance.now()
    const result = work(turn)
    if (result instanceof Promise) await result
    each.push((performance.now() - startedAt) * 1_000)
  }
  const mean = each.reduce((sum, one) => sum + one, 0) / times
  rows.push({
    what,
    times,
    'mean µs': short(mean),
    'p50 µs': short(percentile(each, 0.5)),
    'p99 µs': short(percentile(each, 0.99)),
  })
}

try {
  for (const size of [1, 30, 200]) {
    const { journal } = journalOf()
    const bytes = Buffer.alloc(size, 'x')
    for (let count = 0; count < 20_000; count += 1) journal.append(bytes)
    await measure(`append ${size} bytes`, 200_000, () => journal.append(bytes))
  }

  globalThis.gc?.()
  const heapBefore = process.memoryUsage().heapUsed
  const journals = Array.from({ length: 1_000 }, () => journalOf().journal)
  globalThis.gc?.()
  const heapEach = (process.memoryUsage().heapUsed - heapBefore) / 1_000
  await measure('first append of a journal: its directory and file', 1_000, (turn) =>
    journals[turn]?.append(Buffer.from('x')),
  )
  // Where the system allows fewer than 4,000 descriptors, each append opens its file again.
  const packet = Buffer.alloc(100, 'x')
  await measure('append 100 bytes to 1,000 journals in turn', 50_000, (turn) =>
    journals[turn % 1_000]?.append(packet),
  )

  const { directory, journal } = journalOf()
  const line = Buffer.from(`${'.'.repeat(98)}\r\n`)
  while (journal.end < 32 * 1024 ** 2) journal.append(line)
  const { end } = journal
  await measure('extent of 32 MiB', 500, () => extent(directory))
  await measure('open a journal of 32 MiB', 500, () =>
    openJournal({ directory, fence: 1, minimumOffset: 0, limits: defaultLimits }),
  )
  await measure('read 32 KiB anywhere', 500, async (turn) => {
    const from = (turn * 7_919_317) % end
    for await (const _ of readJournal(directory, { from, to: from + 32 * 1024 }));
  })
  await measure('read all 32 MiB', 3, async () => {
    for await (const _ of readJournal(directory));
  })
  await measure('search all 32 MiB, ignoring case', 3, async () => {
    for await (const _ of search(directory, { what: 'kernel panic', ignoreCase: true }));
  })
  console.table(rows)
  console.log(
    globalThis.gc
      ? `A silent journal holds ${heapEach.toFixed(0)} bytes of memory.`
      : 'With `node --expose-gc` the memory of a silent journal is told, too.',
  )
} finally {
  rmSync(root, { recursive: true })
}
