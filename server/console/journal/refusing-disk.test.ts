import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { descriptorPool } from './descriptors.ts'
import { type Files, nodeFiles } from './files.ts'
import { extent } from './index.ts'
import { all, files, gap, journalRoot, missing, modelOf, newModel, open, told } from './testing/journals.ts'
import { lineByte } from './testing/line.ts'

const { newDirectory } = journalRoot()

const failure = (code: string) => Object.assign(new Error(code), { code })

/** A disk that has room for so many more bytes, and whose other faults are switched on by hand. */
function fakeDisk() {
  const disk = { room: Number.POSITIVE_INFINITY, code: 'ENOSPC', opens: true, truncates: true, writes: 0 }
  const door: Files = {
    ...nodeFiles,
    open(path, how) {
      if (!disk.opens) throw failure('EMFILE')
      return nodeFiles.open(path, how)
    },
    write(descriptor, data, start, length) {
      disk.writes += 1
      if (disk.room === 0) throw failure(disk.code)
      const written = nodeFiles.write(descriptor, data, start, Math.min(length, disk.room))
      disk.room -= written
      return written
    },
    truncate(descriptor, size) {
      if (!disk.truncates) throw failure('EIO')
      nodeFiles.truncate(descriptor, size)
    },
  }
  return { disk, door }
}

describe('A disk that refuses', () => {
  test('stops the recording, not the console, and the gap says how much is missing and why', async () => {
    const { disk, door } = fakeDisk()
    let time = Date.now()
    const directory = newDirectory()
    const journal = open(directory, { files: door, now: () => time })
    journal.append(Buffer.from('kept '))
    disk.room = 3
    expect(journal.append(Buffer.from('lost '))).toBe(5)
    expect(journal.recording).toBe(false)
    expect(journal.append(Buffer.from('lost, too '))).toBe(10)
    journal.mark({ kind: 'power', state: 'off' })
    expect(journal.end).toBe(20)
    expect(told(await all(directory))).toEqual(['kept '])
    disk.room = Number.POSITIVE_INFINITY
    time += 1_000
    expect(journal.append(Buffer.from('kept again'))).toBe(20)
    expect(journal.recording).toBe(true)
    expect(told(await all(directory))).toEqual([
      'kept ',
      { ...gap('disk full', 5, 20), records: 3 },
      'kept again',
    ])
    expect(extent(directory)).toEqual({ start: 0, end: 30 })
  })

  test('is asked again once a second, not with every packet', () => {
    const { disk, door } = fakeDisk()
    let time = Date.now()
    const journal = open(newDirectory(), { files: door, now: () => time })
    disk.room = 0
    for (let count = 0; count < 5_000; count += 1) {
      journal.append(Buffer.from('x'))
      time += 1
    }
    expect(disk.writes).toBe(5)
  })

  test.each([
    ['ENOSPC', 'disk full'],
    ['EDQUOT', 'disk full'],
    ['EROFS', 'disk read-only'],
    ['EMFILE', 'too many open files'],
    ['EIO', 'disk error'],
  ])('says of %s: %s', async (code, reason) => {
    const { disk, door } = fakeDisk()
    const directory = newDirectory()
    const journal = open(directory, { files: door })
    Object.assign(disk, { room: 0, code })
    journal.append(Buffer.from('lost'))
    disk.room = 1_000
    journal.close()
    expect(told(await all(directory))).toEqual([{ ...gap(reason, 0, 4), records: 1 }])
  })

  test('at whatever byte and however often: what was acknowledged while it recorded is there, the rest is gaps', async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('append' as const),
          length: fc.integer({ min: 1, max: 400 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('mark' as const) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('room' as const), room: fc.nat(900) }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant('free' as const), wait: fc.constantFrom(0, 1_000) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant('fault' as const),
          opens: fc.boolean(),
          truncates: fc.boolean(),
        }),
      },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { disk, door } = fakeDisk()
        let time = Date.now()
        const directory = newDirectory()
        // One descriptor for two journals: each append opens its file again.
        const descriptors = descriptorPool(1)
        const options = { files: door, descriptors, now: () => time, limits: { segmentBytes: 2_000 } }
        const journal = open(directory, options)
        const other = open(newDirectory(), { descriptors })
        const model = newModel()
        for (const [number, now] of steps.entries()) {
          if (now.do === 'append') {
            expect(journal.append(Buffer.alloc(now.length, number))).toBe(model.line.length)
            const kept = journal.recording
              ? Array<number>(now.length).fill(number)
              : missing(now.length, 'lost')
            model.line.push(...kept)
            other.append(Buffer.from('x'))
          } else if (now.do === 'mark') {
            journal.mark({ kind: 'note', number })
            if (journal.recording) model.marks.push({ offset: model.line.length, number })
          } else if (now.do === 'room') disk.room = now.room
          else if (now.do === 'free') {
            disk.room = Number.POSITIVE_INFINITY
            time += now.wait
          } else Object.assign(disk, { opens: now.opens, truncates: now.truncates })
        }
        Object.assign(disk, { room: Number.POSITIVE_INFINITY, opens: true, truncates: true })
        journal.close()
        const read = modelOf(await all(directory), 0)
        const line = read.line.map((what) => (typeof what === 'string' ? 'lost' : what))
        expect({ ...read, line }).toEqual(model)
        expect(extent(directory).end).toBe(model.line.length)
        await rm(directory, { recursive: true, force: true })
      }),
      { numRuns: 200 },
    )
  })

  test('that the kernel limits: a write cut short leaves no half record', async () => {
    const directory = newDirectory()
    const end = await appendLimited(directory)
    expect(statSync(files(directory)[0] as string).size).toBeLessThanOrEqual(64 * 1024)
    const [said] = told(await all(directory))
    expect(end).toBeGreaterThan(40_000)
    expect(said).toBe(
      Buffer.from(Uint8Array.from({ length: end }, (_, offset) => lineByte(offset))).toString('latin1'),
    )
    expect(extent(directory)).toEqual({ start: 0, end })
  })
})

/** Runs a child that may write no file longer than 64 KiB (RLIMIT_FSIZE), and returns the last end that it printed. */
async function appendLimited(directory: string): Promise<number> {
  const program = join(import.meta.dirname, 'testing/append-until-killed.ts')
  // `ulimit -f` counts blocks of 512 bytes in some shells and of 1,024 in others.
  const script = 'ulimit -f 64; exec "$0" "$@"'
  const child = spawn('bash', ['-c', script, process.execPath, program, directory, '1', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  for await (const text of child.stdout) output += text
  return Number(output.trim().split('\n').at(-1))
}
