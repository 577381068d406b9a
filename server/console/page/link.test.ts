import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Control } from '../types.ts'
import {
  askEveryMs,
  createLink,
  fullBytes,
  keysInFrame,
  longestDelayMs,
  roomBytes,
  shortestDelayMs,
} from './link.js'

type Link = ReturnType<typeof createLink>
type Around = Parameters<typeof createLink>[0]
type Socket = ReturnType<Around['open']>
type LinkState = Parameters<Around['state']>[0]
type Refusal = Extract<Awaited<ReturnType<Around['ticket']>>, { refusal: unknown }>['refusal']

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** One connection, seen from the service. */
interface Visit {
  socket: Socket
  mode: string | null
  offset: number | null
  sent: (string | Uint8Array)[]
  open: boolean
  hello(fields?: Partial<Extract<Control, { type: 'hello' }>>): void
  say(control: Control): void
  bytes(text: string | Uint8Array): void
  cut(code?: number, reason?: string): void
}

/** A service made of nothing but the protocol, and a screen that writes down what it is shown. */
function stage() {
  const visits: Visit[] = []
  const states: LinkState[] = []
  const endings: unknown[] = []
  const notes: string[] = []
  const gaps: { from: number; to: number; reason: string }[] = []
  const shown: { offset: number; text: string }[] = []
  const waiting: (() => void)[] = []
  const world = { refusal: undefined as Refusal | undefined, slow: false, tickets: [] as string[] }
  const link: Link = createLink({
    random: () => 0.5,
    async ticket(mode) {
      world.tickets.push(mode)
      return world.refusal ? { refusal: world.refusal } : { ticket: `ticket-${world.tickets.length}` }
    },
    open(parameters) {
      const asked = new URLSearchParams(parameters)
      const sent: Visit['sent'] = []
      const visit: Visit = {
        socket: {
          binaryType: '',
          onmessage: null,
          onclose: null,
          send: (data) => void sent.push(typeof data === 'string' ? data : data.slice()),
          close: () => {
            visit.open = false
          },
        },
        mode: asked.get('mode'),
        offset: asked.has('offset') ? Number(asked.get('offset')) : null,
        sent,
        open: true,
        say: (control) => visit.socket.onmessage?.({ data: JSON.stringify(control) }),
        hello: (fields) => visit.say({ ...greeting, watcher: `watcher-${visits.length}`, ...fields }),
        bytes: (data) =>
          visit.socket.onmessage?.({
            data: (typeof data === 'string' ? new TextEncoder().encode(data) : data.slice()).buffer,
          }),
        cut: (code = 1006, reason = '') => visit.socket.onclose?.({ code, reason }),
      }
      visits.push(visit)
      return visit.socket
    },
    bytes(offset, bytes, done) {
      shown.push({ offset, text: bytes.length > 1000 ? `${bytes.length}` : new TextDecoder().decode(bytes) })
      if (world.slow) waiting.push(done)
      else done()
    },
    control: () => {},
    gap: (gap) => void gaps.push(gap),
    state: (state) => void states.push(state),
    ended: (ending) => void endings.push(ending),
    note: (text) => void notes.push(text),
  })
  /** The connection of now, made if it is about to be. */
  const visit = async (): Promise<Visit> => {
    await vi.advanceTimersByTimeAsync(longestDelayMs)
    return visits.at(-1) as Visit
  }
  return { link, world, visits, states, endings, notes, gaps, shown, waiting, visit }
}

const greeting: Extract<Control, { type: 'hello' }> = {
  type: 'hello',
  node: { uuid: 'u', name: 'machine-1' },
  watcher: 'me',
  mode: 'read',
  offset: 0,
  start: 0,
  end: 0,
  state: 'up',
  reason: null,
  power_state: 'power on',
  watchers: [],
}

const watcher = (id: string, mode: 'read' | 'write') => ({
  id,
  user: 'lena',
  project: 'lab',
  mode,
  door: 'websocket' as const,
  since: '2026-01-01T00:00:00Z',
})

describe('The link of the page', () => {
  test('shows each byte once and in order, or as a gap, however connections are cut', async () => {
    const action = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constant('bytes'), size: fc.integer({ min: 1, max: 40 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('cut'), size: fc.integer({ min: 0, max: 60 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('gap'), size: fc.integer({ min: 1, max: 30 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('forget'), size: fc.integer({ min: 1, max: 90 }) }),
      },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const { link, visit, shown, gaps } = stage()
        link.start()
        /** What the machine printed: letters that follow from their place. */
        const letter = (offset: number) => String.fromCharCode(97 + ((offset * 7) % 26))
        const printed = (from: number, to: number) =>
          Array.from({ length: to - from }, (_, index) => letter(from + index)).join('')
        let [start, end, at] = [0, 0, 0]
        const greet = async (back: number) => {
          const now = await visit()
          // A service may go on earlier than it was asked to, and can not where the journal has gone.
          at = Math.min(end, Math.max(start, (now.offset ?? 0) - back))
          now.hello({ offset: at, start, end })
          return now
        }
        let now = await greet(0)
        for (const { kind, size } of actions) {
          if (kind === 'bytes') {
            end += size
            const from = at
            at = end
            now.bytes(printed(from, end))
          } else if (kind === 'gap') {
            now.say({ type: 'gap', from: at, to: end + size, reason: 'lost' })
            end += size
            at = end
          } else {
            end += size
            if (kind === 'forget') start = Math.max(start, end - 10)
            now.cut()
            now = await greet(kind === 'cut' ? size % 13 : 0)
            if (at < end) now.bytes(printed(at, end))
            at = end
          }
        }
        link.stop()
        const parts = [
          ...shown.map(({ offset, text }) => ({ from: offset, to: offset + text.length, text })),
          ...gaps.map(({ from, to }) => ({ from, to, text: undefined })),
        ].sort((one, other) => one.from - other.from || one.to - other.to)
        let next = 0
        for (const { from, to, text } of parts) {
          expect(from).toBe(next)
          if (text !== undefined) expect(text).toBe(printed(from, to))
          next = to
        }
        expect(next).toBe(end)
      }),
      { numRuns: 200 },
    )
  })

  test('asks for a fresh ticket each time, goes on where it was, and waits longer and longer, 5 s at most', async () => {
    const { link, visits, states, world, visit } = stage()
    link.start()
    const first = await visit()
    expect(first.offset).toBeNull()
    first.hello({ offset: 70, end: 73 })
    first.bytes('abc')
    first.cut()
    for (let attempt = 0; attempt < 8; attempt++) {
      const tried = visits.length
      await vi.advanceTimersByTimeAsync(shortestDelayMs - 1)
      expect(visits).toHaveLength(tried)
      const next = await visit()
      expect(visits).toHaveLength(tried + 1)
      expect(next.offset).toBe(73)
      next.cut()
    }
    const delays = states.flatMap((state) => (state.at === 'waiting' ? [state.delayMs] : []))
    expect(delays.toSorted((one, other) => one - other)).toEqual(delays)
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(shortestDelayMs)
    expect(Math.max(...delays)).toBeLessThanOrEqual(longestDelayMs)
    expect(world.tickets).toHaveLength(9)
  })

  test('does not wait when it is told to hurry, and then comes once', async () => {
    const { link, visits, visit } = stage()
    link.start()
    ;(await visit()).cut()
    link.hurry()
    link.hurry()
    await vi.advanceTimersByTimeAsync(0)
    expect(visits).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(longestDelayMs)
    expect(visits).toHaveLength(2)
  })

  test('comes back with the keyboard, from its own dead connection, too, but not from somebody else', async () => {
    const { link, visit, notes } = stage()
    link.start({ mode: 'write' })
    const first = await visit()
    first.hello({ watcher: 'one', mode: 'write', watchers: [watcher('one', 'write')] })
    first.cut()
    const second = await visit()
    expect(second.mode).toBe('write')
    second.hello({ watcher: 'two', watchers: [watcher('one', 'write'), watcher('two', 'read')] })
    expect(second.sent).toEqual(['{"type":"take"}'])
    second.say({ type: 'mode', mode: 'write', reason: 'taken' })
    second.cut()
    const third = await visit()
    third.hello({ watcher: 'three', watchers: [watcher('other', 'write'), watcher('three', 'read')] })
    expect(third.sent).toEqual([])
    expect(notes).toHaveLength(1)
    third.cut()
    expect((await visit()).mode).toBe('read')
  })

  test('watches when it may not type', async () => {
    const { link, world, visits, notes, visit } = stage()
    world.refusal = { kind: 'mode', message: 'not you' }
    link.start({ mode: 'take' })
    await vi.advanceTimersByTimeAsync(0)
    expect(world.tickets).toEqual(['take', 'read'])
    expect(notes).toEqual(['not you'])
    expect(visits).toHaveLength(0)
    world.refusal = undefined
    link.start()
    expect((await visit()).mode).toBe('read')
  })

  test('ends as denied when it may not even watch', async () => {
    const { link, world, endings } = stage()
    world.refusal = { kind: 'mode', message: 'not yours' }
    link.start()
    await vi.advanceTimersByTimeAsync(0)
    expect(world.tickets).toEqual(['read'])
    expect(endings).toEqual([{ kind: 'denied', message: 'not yours' }])
  })

  test.each([
    [4401, 'sign-in'],
    [4403, 'over'],
    [4410, 'over'],
    [4408, 'over'],
    [4404, 'not-found'],
    [4409, 'conflict'],
    [4400, 'over'],
  ])('ends at close code %i: %s', async (code, kind) => {
    const { link, visits, endings, visit } = stage()
    link.start()
    const only = await visit()
    only.hello()
    only.cut(code, 'because')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(endings).toEqual([{ kind, message: 'because' }])
    expect(visits).toHaveLength(1)
  })

  test.each([1000, 1001, 1006, 1011, 1012, 1013, 4429])('tries again after close code %i', async (code) => {
    const { link, visits, endings, visit } = stage()
    link.start()
    const first = await visit()
    first.hello()
    first.cut(code)
    await visit()
    expect(visits).toHaveLength(2)
    expect(endings).toEqual([])
  })

  test('tries again when no ticket is to be had just now, and ends when none ever will be', async () => {
    const { link, world, endings, visit } = stage()
    world.refusal = { kind: 'again', message: 'later' }
    link.start()
    await visit()
    await visit()
    expect(world.tickets.length).toBeGreaterThan(2)
    expect(endings).toEqual([])
    world.refusal = { kind: 'not-found', message: 'nothing' }
    await visit()
    const asked = world.tickets.length
    await visit()
    expect(endings).toEqual([{ kind: 'not-found', message: 'nothing' }])
    expect(world.tickets).toHaveLength(asked)
  })

  test('hangs up on a connection that says nothing any more, and not on one that answers', async () => {
    const { link, visits, visit } = stage()
    link.start()
    const first = await visit()
    first.hello()
    for (let round = 0; round < 5; round++) {
      await vi.advanceTimersByTimeAsync(askEveryMs)
      first.say({ type: 'pong', offset: 0 })
    }
    expect(first.sent.length).toBeGreaterThanOrEqual(5)
    expect(visits).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(3 * askEveryMs + longestDelayMs)
    expect(first.open).toBe(false)
    expect(visits.length).toBeGreaterThan(1)
  })

  test('lets go when the screen does not keep up, heeds nothing that comes late, and goes on at the byte', async () => {
    const { link, world, visits, states, waiting, shown, visit } = stage()
    world.slow = true
    link.start()
    const first = await visit()
    first.hello({ end: 2 * fullBytes })
    const chunk = new Uint8Array(1024 * 1024)
    let sent = 0
    while (first.open) {
      first.bytes(chunk)
      sent += chunk.length
    }
    expect(sent).toBe(fullBytes + chunk.length)
    expect(states.at(-1)).toEqual({ at: 'full' })
    first.bytes(chunk)
    expect(shown).toHaveLength(sent / chunk.length)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(visits).toHaveLength(1)
    while (waiting.length > roomBytes / chunk.length + 1) waiting.shift()?.()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(visits).toHaveLength(1)
    waiting.shift()?.()
    expect((await visit()).offset).toBe(sent)
    expect(visits).toHaveLength(2)
  })

  test('sends keys in frames that a service takes, and says when there is nobody to take them', async () => {
    const { link, visit } = stage()
    expect(link.send(new Uint8Array(3))).toBe(false)
    link.start()
    const now = await visit()
    expect(link.send(new Uint8Array(3))).toBe(false)
    now.hello({ mode: 'write' })
    const keys = Uint8Array.from({ length: 2 * keysInFrame + 5 }, (_, index) => index % 256)
    expect(link.send(keys)).toBe(true)
    expect(now.sent.every((frame) => frame.length <= keysInFrame)).toBe(true)
    expect(Buffer.concat(now.sent as Uint8Array[])).toEqual(Buffer.from(keys))
    now.cut()
    expect(link.send(new Uint8Array(3))).toBe(false)
  })

  test('says a gap once, that of a journal begun anew as well, and shows the new one from its beginning', async () => {
    const { link, visit, gaps, shown } = stage()
    link.start()
    const first = await visit()
    first.hello()
    first.bytes('0123456789')
    first.say({ type: 'gap', from: 10, to: 10, reason: 'line lost' })
    first.cut()
    const second = await visit()
    second.hello({ offset: 10, end: 10 })
    second.say({ type: 'gap', from: 10, to: 10, reason: 'line lost' })
    second.say({ type: 'gap', from: 10, to: 15, reason: 'overrun' })
    second.bytes('5')
    expect(gaps.map(({ from, to }) => [from, to])).toEqual([
      [10, 10],
      [10, 15],
    ])
    second.cut()
    const third = await visit()
    third.hello({ offset: 2, end: 3 })
    third.bytes('c')
    expect(gaps).toHaveLength(3)
    expect(shown.at(-1)).toEqual({ offset: 2, text: 'c' })
  })
})
