/** The way to a console, by the service's own WebSocket door with a console behind it that is the test's. */
import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Control } from '../console/client/index.ts'
import { type StubConsole, type StubService, stubConsole, stubService } from '../console/doors/testing.ts'
import { type Link, type LinkDeps, type LinkEnd, openLink } from './console-link.ts'

let room: StubConsole
let service: StubService
let links: Link[]
beforeEach(async () => {
  room = stubConsole()
  service = await stubService(room)
  links = []
})
afterEach(async () => {
  for (const link of links) link.close()
  await until(() => room.open() === 0)
  await service.close()
})

async function until(holds: () => boolean, ms = 10_000): Promise<void> {
  const deadline = Date.now() + ms
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`does not come true: ${holds}`)
    await wait(5)
  }
}

function open(own: Partial<LinkDeps> = {}) {
  const bytes: Buffer[] = []
  const controls: Control[] = []
  const lost: string[] = []
  const ends: LinkEnd[] = []
  let logins = 0
  const link = openLink({
    node: 'machine-1',
    mode: 'write',
    offset: undefined,
    scrollbackBytes: undefined,
    tls: { rejectUnauthorized: true },
    access: async () => {
      const token = `t${++logins}`
      service.tokens.add(token)
      return { token, endpoint: service.url }
    },
    onBytes: (each) => {
      bytes.push(each)
      return true
    },
    onControl: (message) => controls.push(message),
    onLost: (why) => lost.push(why),
    onWritable: () => {},
    onEnd: (end) => ends.push(end),
    timings: { firstWaitMs: 10, longestWaitMs: 50 },
    ...own,
  })
  links.push(link)
  return { link, text: () => Buffer.concat(bytes), controls, lost, ends, logins: () => logins }
}
const watcher = () => room.watchers.at(-1) as StubConsole['watchers'][number]

it('passes bytes, requests and messages', async () => {
  const { link, text, controls } = open({ scrollbackBytes: 7 })
  await until(() => controls.length === 1)
  expect(watcher().options).toEqual({ mode: 'write', offset: undefined, scrollbackBytes: 7 })
  const all = Buffer.from(Array.from({ length: 256 }, (_, value) => value))
  expect(link.write(all)).toBe(true)
  link.request({ type: 'break' })
  watcher().sink.bytes(0, all)
  await until(() => text().length === 256 && watcher().requests.length === 1)
  expect(text()).toEqual(all)
  expect(Buffer.concat(watcher().typed)).toEqual(all)
})

it('goes on at the byte it had come to, through many breaks', async () => {
  const journal = randomBytes(100_000)
  const { text, lost, ends } = open()
  for (let round = 1; text().length < journal.length; round++) {
    await until(() => room.watchers.length === round)
    const { sink, options } = watcher()
    let at = options.offset ?? 0
    expect(at).toBe(text().length)
    // Some of it arrives, some of it does not any more.
    for (const until_ = Math.min(journal.length, at + 30_000); at < until_; at += 1_000)
      sink.bytes(at, journal.subarray(at, at + 1_000))
    await wait(Math.random() * 5)
    if (text().length < journal.length) service.breakOff()
  }
  expect(text().equals(journal)).toBe(true)
  expect([lost.length > 1, ends]).toEqual([true, []])
})

it('shows nothing twice when the service goes back further than it was asked to', async () => {
  const { text, controls } = open()
  await until(() => controls.length === 1)
  watcher().sink.bytes(0, Buffer.from('0123456789'))
  await until(() => text().length === 10)
  const { attach } = room
  room.attach = (visitor, ident, options, sink) => attach(visitor, ident, { ...options, offset: 4 }, sink)
  service.breakOff()
  await until(() => room.watchers.length === 2)
  watcher().sink.bytes(4, Buffer.from('456'))
  watcher().sink.bytes(7, Buffer.from('789abc'))
  await until(() => text().length >= 13)
  expect(text().toString()).toBe('0123456789abc')
})

it('goes on behind a gap', async () => {
  const { text, controls } = open()
  await until(() => controls.length === 1)
  watcher().sink.bytes(0, Buffer.from('01'))
  watcher().sink.control({ type: 'gap', from: 2, to: 50, reason: 'line lost' })
  watcher().sink.bytes(50, Buffer.from('ab'))
  await until(() => text().length === 4)
  service.breakOff()
  await until(() => room.watchers.length === 2)
  expect(watcher().options.offset).toBe(52)
})

it('takes the keyboard back from its own lost connection, if it had it', async () => {
  const { controls } = open()
  await until(() => controls.length === 1)
  service.breakOff()
  await until(() => room.watchers.length === 2)
  expect(watcher().options.mode).toBe('take')
})

it('gets another token when its own is no longer good, and goes on', async () => {
  const { controls, logins, ends } = open()
  await until(() => controls.length === 1)
  service.tokens.clear()
  room.cut(watcher(), 'unauthenticated')
  await until(() => room.watchers.length === 2)
  expect([logins(), ends]).toEqual([2, []])
})

it('ends when no token is good', async () => {
  const { ends, logins } = open({
    access: async () => ({ token: 'bad', endpoint: service.url }),
  })
  await until(() => ends.length === 1)
  expect([ends[0]?.kind, logins()]).toEqual(['cut', 0])
})

it('is refused a node that is absent, hidden or not for it', async () => {
  const all = ['absent-1', 'hidden-1', 'forbidden-1'].map((node) => open({ node }))
  await until(() => all.every(({ ends }) => ends.length === 1))
  expect(all.map(({ ends }) => ends[0])).toEqual([
    { kind: 'refused', words: 'Node absent-1 could not be found.' },
    { kind: 'refused', words: 'Node hidden-1 could not be found.' },
    { kind: 'refused', words: 'Access was denied to the following resource: leasehold:console:read' },
  ])
})

it.each([
  ['lease-ended', 'the node has changed hands'],
  ['disabled', 'the console was switched off'],
  ['forbidden', 'the right to watch this console is gone'],
] as const)('is cut when the service says %s', async (ending, words) => {
  const { controls, ends } = open()
  await until(() => controls.length === 1)
  room.cut(watcher(), ending)
  await until(() => ends.length === 1)
  expect(ends).toEqual([{ kind: 'cut', words }])
  expect(room.watchers).toHaveLength(1)
})

it('outlives a restart of the service', async () => {
  const { controls, lost } = open()
  await until(() => controls.length === 1)
  room.cut(watcher(), 'stopping')
  await until(() => room.watchers.length === 2)
  expect(lost).toEqual(['the service is stopping; try again'])
})

it('gives up after the time that it is given', async () => {
  const { controls, ends, link } = open({ timings: { firstWaitMs: 5, longestWaitMs: 10, giveUpMs: 200 } })
  await until(() => controls.length === 1)
  await service.close()
  await until(() => ends.length === 1)
  expect(ends[0]?.kind).toBe('cut')
  expect(link.write(Buffer.from('x'))).toBe(false)
  service = await stubService(room)
})

it('stops reading while its reader does', async () => {
  let reads = true
  const { text, link, controls } = open({
    onBytes: (bytes) => {
      got.push(bytes)
      return reads
    },
  })
  const got: Buffer[] = []
  await until(() => controls.length === 1)
  reads = false
  const sent: Buffer[] = []
  // Until the service is told to wait.
  for (let taken = true; taken; ) {
    sent.push(randomBytes(64 * 1024))
    taken = watcher().sink.bytes(0, sent.at(-1) as Buffer)
    await wait(1)
    if (sent.length > 2_000) throw new Error('it is never told')
  }
  expect(Buffer.concat(got).length).toBeLessThan(Buffer.concat(sent).length)
  reads = true
  const resume = setInterval(() => link.drained(), 5)
  await until(() => Buffer.concat(got).length === Buffer.concat(sent).length)
  clearInterval(resume)
  expect([Buffer.concat(got).equals(Buffer.concat(sent)), text().length]).toEqual([true, 0])
})
