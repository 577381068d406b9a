/** Many at one console, some of whom read nothing while the machine prints more than they are kept in memory for. */
import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Store } from '../../store/index.ts'
import { testStore } from '../../store/testing.ts'
import { type Room, type TestWatcher, testRoom, until, watch } from '../testing.ts'

let store: Store
let room: Room
beforeAll(async () => {
  store = await testStore()
  room = await testRoom(store, { 'console.watcher_buffer_kb': 256 })
})
afterAll(async () => {
  await room.close()
  await store.close()
})

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

test('stalled watchers hold up nobody, and have missed nothing when they read on; an offset is resumed at its byte', async () => {
  const node = await room.node()
  await until(() => room.line(node).live)
  const come = (query: Record<string, string> = {}) =>
    watch(room.url, node, { token: room.tokens.lessee, query: { mode: 'read', ...query } })
  const watchers: TestWatcher[] = []
  for (let count = 0; count < 20; count += 1) watchers.push(await come())
  const stalled = watchers.slice(0, 4)
  const attentive = watchers.slice(4)
  for (const watcher of stalled) watcher.pause()

  const size = 8 * 1024 * 1024
  const pieces: Buffer[] = []
  for (let said = 0; said < size; said += 4_096) {
    const piece = Buffer.alloc(4_096, `${said} ${Math.random()} `)
    pieces.push(piece)
    room.line(node).say(piece)
    // Lines do not print in one turn of the loop what takes them minutes.
    if (said % 65_536 === 0) await turn()
  }
  const all = sha256(Buffer.concat(pieces))
  const complete = (watcher: TestWatcher) => watcher.bytes.length === size
  await until(() => attentive.every(complete), 'all of the output', 30_000)
  expect(new Set(attentive.map(({ bytes }) => sha256(bytes)))).toEqual(new Set([all]))
  for (const watcher of stalled) expect(watcher.bytes.length).toBeLessThan(size)

  const at = size - 1_234_567
  const late = await come({ offset: String(at) })
  await until(() => late.bytes.length >= size - at, 'the rest from an offset')
  expect(late.last('hello')?.offset).toBe(at)
  expect(sha256(late.bytes)).toBe(sha256(Buffer.concat(pieces).subarray(at)))

  for (const watcher of stalled) watcher.resume()
  await until(() => stalled.every(complete), 'what was missed', 30_000)
  expect(new Set(stalled.map(({ bytes }) => sha256(bytes)))).toEqual(new Set([all]))
  expect(stalled.flatMap(({ controls }) => controls.filter(({ type }) => type === 'gap'))).toEqual([])
  for (const watcher of [...watchers, late]) await watcher.close()
}, 90_000)
