/** One console, on a disk that refuses for a while. */
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { expect, it } from 'vitest'
import type { Line, LineEvents } from '../hardware/index.ts'
import { type KeptDeps, keepConsole } from './kept.ts'
import { until } from './testing.ts'

it('says in the log once that the disk refuses, and once that it no longer does', async () => {
  const journalRoot = await mkdtemp(join(tmpdir(), 'leasehold-kept-'))
  const node = randomUUID()
  const said: { level: number; msg: string; reason?: string }[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void said.push(JSON.parse(line)) })
  let line: LineEvents | undefined
  const console = keepConsole({
    held: {
      node: { uuid: node, name: null },
      fence: 1,
      enabled: true,
      span: { id: '1', start: 0, end: null },
      isFirst: true,
      journal: node,
      endOffset: 0,
      remembered: null,
    } as unknown as KeptDeps['held'],
    wallAt: undefined,
    journalRoot,
    limits: { segmentBytes: 1024, maxBytes: 1024 * 1024, maxAgeMs: 86_400_000 },
    log,
    open: async (_remembered, events) => {
      line = events
      return { write: () => true, queued: 0, close: async () => {} } satisfies Line
    },
    openTimeoutMs: 1_000,
    alive: () => true,
    allows: () => true,
    record: () => {},
    mayKnow: () => true,
    hub: { watchers: 1, scrollbackBytes: 0 },
    settleMs: 0,
    built: () => {},
    changed: () => {},
    noted: async () => {},
  })
  // Where its directory is to be there is a file.
  await writeFile(join(journalRoot, node), '')
  await until(() => line)
  const say = () => line?.data(Buffer.from('x'))
  for (let count = 0; count < 5; count += 1) say()
  await rm(join(journalRoot, node))
  await mkdir(join(journalRoot, node))
  await until(() => {
    say()
    return said.length > 1
  })
  say()
  await console.close('stopping')
  expect(said.map(({ level, msg }) => `${level} ${msg}`)).toEqual([
    '50 the console is not recorded: the disk refuses',
    '30 the console is recorded again; its journal says what is missing',
  ])
  expect(said[0]?.reason).toBe('disk error')
  await rm(journalRoot, { recursive: true })
})
