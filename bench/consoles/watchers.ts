/** Those who watch consoles in a measurement: WebSockets in a process of their own, told what to do by messages. */
import { fork } from 'node:child_process'
import { createHash, type Hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { type Answers, answering, asking, nowMs } from './messages.ts'

interface Watched {
  socket: WebSocket
  bytes: number
  digest: Hash
  paused: boolean
  state: string
  /** Told of each piece of output, with what it is. */
  hear: ((bytes: Buffer) => void) | undefined
  /** When its state last became another than up, and when it last heard bytes. */
  downAtMs: number
  heardAtMs: number
}

const commands = {
  /** Comes to one console each, 100 at once. Gives how many milliseconds that took. */
  async connect({ url, doors }: { url: string; doors: { node: string; token: string }[] }): Promise<number> {
    const begun = nowMs()
    for (let from = 0; from < doors.length; from += 100)
      await Promise.all(doors.slice(from, from + 100).map(({ node, token }) => come(url, node, token)))
    return nowMs() - begun
  },
  /** Types a character at a random console and waits for its echo, `rounds` times, one after the other. */
  async echo({ rounds, pauseMs }: { rounds: number; pauseMs: number }): Promise<number[]> {
    const times: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      const one = watched[Math.floor(Math.random() * watched.length)] as Watched
      const begun = nowMs()
      times.push(
        await new Promise<number>((resolve) => {
          const late = setTimeout(() => resolve(Number.POSITIVE_INFINITY), 5_000)
          one.hear = (bytes) => {
            if (!bytes.includes(echoed)) return
            clearTimeout(late)
            resolve(nowMs() - begun)
          }
          one.socket.send(Buffer.from([echoed]), { binary: true })
        }),
      )
      one.hear = undefined
      await sleep(pauseMs)
    }
    return times
  },
  /** Bytes heard, and consoles in each state. */
  census(): { bytes: number; states: Record<string, number>; open: number } {
    const states: Record<string, number> = {}
    for (const { state } of watched) states[state] = (states[state] ?? 0) + 1
    const open = watched.filter(({ socket }) => socket.readyState === WebSocket.OPEN).length
    return { bytes: watched.reduce((sum, one) => sum + one.bytes, 0), states, open }
  },
  /** When each of these consoles was first seen not to be up after `sinceMs`; infinite for those that still are. */
  async down({ indexes, sinceMs, waitMs }: Look): Promise<number[]> {
    const when = (one: Watched) => (one.state !== 'up' && one.downAtMs > sinceMs ? one.downAtMs : undefined)
    return look(indexes, when, waitMs)
  },
  /** When bytes first came to each of them after `sinceMs`. */
  async heard({ indexes, sinceMs, waitMs }: Look): Promise<number[]> {
    const first = new Map<Watched, number>()
    for (const index of indexes) {
      const one = watched[index] as Watched
      one.hear = () => void (first.has(one) || first.set(one, one.heardAtMs))
      if (one.heardAtMs > sinceMs) first.set(one, one.heardAtMs)
    }
    const times = await look(indexes, (one) => first.get(one), waitMs)
    for (const index of indexes) (watched[index] as Watched).hear = undefined
    return times
  },
  /** The first so many read no more. */
  pause({ count }: { count: number }): void {
    for (const one of watched.slice(0, count)) {
      one.socket.pause()
      one.paused = true
    }
  },
  resume(): void {
    for (const { socket } of watched) socket.resume()
  },
  /** Takes note from now on of how late lines come that say when they were printed. */
  listen(): void {
    delays = []
    for (const one of watched)
      one.hear = (bytes) => {
        one.digest.update(bytes)
        const at = one.paused ? -1 : bytes.lastIndexOf('@')
        // One in ten is enough.
        if (at < 0 || bytes.length < at + 16 || Math.random() > 0.1) return
        delays.push(nowMs() - Number(bytes.toString('latin1', at + 1, at + 16)))
      }
  },
  delays: (): number[] => delays,
  least: (): number => Math.min(...watched.map(({ bytes }) => bytes)),
  digests: (): string[] => watched.map(({ digest }) => digest.copy().digest('hex')),
  disconnect(): void {
    for (const { socket } of watched.splice(0)) socket.terminate()
  },
}

interface Look {
  indexes: number[]
  sinceMs: number
  waitMs: number
}

const watched: Watched[] = []
let delays: number[] = []
/** Not in what machines say by themselves. */
const echoed = 0x7e

function come(url: string, node: string, token: string): Promise<void> {
  const one: Watched = {
    socket: undefined as never,
    bytes: 0,
    digest: createHash('sha256'),
    paused: false,
    state: '',
    hear: undefined,
    downAtMs: 0,
    heardAtMs: 0,
  }
  watched.push(one)
  return open(one, `${url.replace('http', 'ws')}/v1/nodes/${node}/console`, token)
}

function open(one: Watched, address: string, token: string): Promise<void> {
  const socket = new WebSocket(`${address}?offset=${one.bytes}`, ['leasehold.console'], {
    headers: { 'x-auth-token': token },
    perMessageDeflate: false,
  })
  one.socket = socket
  socket.on('message', (data, isBinary) => {
    if (isBinary) {
      one.bytes += (data as Buffer).length
      one.heardAtMs = nowMs()
      one.hear?.(data as Buffer)
      return
    }
    const { type, state } = JSON.parse(data.toString()) as { type: string; state: string }
    if (type !== 'hello' && type !== 'state') return
    if (one.state === 'up' && state !== 'up') one.downAtMs = nowMs()
    one.state = state
  })
  // Who reads nothing for long is sent away, and comes again where it was.
  socket.on('close', () => {
    if (one.paused) open(one, address, token).catch(() => {})
  })
  return new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
}

/** Waits until each has its time; infinite for those that do not get one. */
async function look(
  indexes: number[],
  when: (one: Watched) => number | undefined,
  waitMs: number,
): Promise<number[]> {
  const times = () => indexes.map((index) => when(watched[index] as Watched))
  for (const end = nowMs() + waitMs; ; await sleep(5)) {
    const known = times()
    if (nowMs() > end || !known.includes(undefined))
      return known.map((each) => each ?? Number.POSITIVE_INFINITY)
  }
}

export type WatchersProcess = Answers<typeof commands>

/** Starts the process, without watchers yet. */
export function forkWatchers(): { watchers: WatchersProcess; pid: number } {
  const child = fork(import.meta.filename)
  return { watchers: asking<typeof commands>(child), pid: child.pid as number }
}

if (process.send !== undefined && process.argv[1] === import.meta.filename) answering(commands)
