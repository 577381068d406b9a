import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { endOf, extent } from './index.ts'
import { all, journalRoot } from './testing/journals.ts'
import { lineByte } from './testing/line.ts'

const { newDirectory } = journalRoot()

test('After kill -9, every acknowledged byte is in the journal, and the next holder goes on after the last', {
  timeout: 60_000,
}, async () => {
  const directory = newDirectory()
  let acknowledged = 0
  for (const [round, appends] of [1, 400, 37, 1_500].entries()) {
    acknowledged = await appendAndKill(directory, round + 1, appends)
    expect(acknowledged).toBeGreaterThan(0)
    const { end } = extent(directory)
    expect(end).toBeGreaterThanOrEqual(acknowledged)
    const entries = await all(directory)
    expect(entries.filter(({ mark }) => mark)).toEqual([])
    const line = Buffer.concat(entries.map(({ bytes }) => bytes as Buffer))
    expect(line.length).toBe(end)
    expect(line.findIndex((byte, offset) => byte !== lineByte(offset))).toBe(-1)
  }
})

test('Who follows the end of a journal that another process writes never sees half a record', {
  timeout: 60_000,
}, async () => {
  const directory = newDirectory()
  const following = new AbortController()
  const seen: Buffer[] = []
  const follow = async () => {
    for (let from = 0; !following.signal.aborted; ) {
      const entries = await all(directory, { from })
      for (const { bytes } of entries) seen.push(bytes as Buffer)
      from = entries.reduce((_, entry) => endOf(entry), from)
      if (entries.length === 0) await setImmediate()
    }
  }
  const followed = follow()
  const acknowledged = await appendAndKill(directory, 1, 2_000)
  following.abort()
  await followed
  const line = Buffer.concat(seen)
  expect(line.findIndex((byte, offset) => byte !== lineByte(offset))).toBe(-1)
  expect(line.length).toBeGreaterThan(0)
  expect(extent(directory).end).toBeGreaterThanOrEqual(acknowledged)
})

/** Kills the child as soon as it has printed so many ends, and returns the last that it printed. */
async function appendAndKill(directory: string, fence: number, appends: number): Promise<number> {
  const program = join(import.meta.dirname, 'testing/append-until-killed.ts')
  const child = spawn(process.execPath, [program, directory, String(fence), '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  let output = ''
  for await (const text of child.stdout) {
    output += text
    if (output.split('\n').length > appends) child.kill('SIGKILL')
  }
  expect(await exit).toEqual([null, 'SIGKILL'])
  // The last line may be torn as well: it counts only with its newline.
  return Number(output.split('\n').at(-2))
}
