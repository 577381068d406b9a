/**
 * The prober and the mirror, behind calls that do not return before they are done. A simulated switch tells of every
 * change within the line that made it; a call that blocks lets frames be sent in that very state, before the next line.
 * The work is a worker thread's (`watcher-thread.ts`), so that it goes on while the caller waits.
 */
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Place } from './network.ts'

/** What a port of the mirror does. */
export type Columns = { vlan_mode: string | null; tag: number | null; trunks: readonly number[] }

/** One kind of frame that the prober sends: `type` is the outer tag's (0 without tags), `to` null is everybody. */
export type Kind = { from: number; tags: number[]; type: number; to: number | null }

/** A frame that arrived. Times in microseconds of the monotonic clock. */
export type Delivery = { to: number; kind: number; number: number; sent: number; got: number; tags: number[] }

/** A round: the numbers of its frames, how many were sent so far, and whether all of it is known to be in. */
export type Round = { first: number; last: number; sent: number; whole: boolean }

export type WatcherPlan = {
  nodes: Place[]
  /** Two more cards, in a VLAN of their own, between which a heartbeat says when a round is over. */
  beats: Place[]
  vlans: number[]
  seed: number
  /** Frames a second beside the rounds. */
  pace: number
  /** Nodes are ports of the dummy datapath: a pcap file and a name each. */
  dummy: boolean
  /** The mirror's database and control socket. */
  database: string
  control: string
}

export type Watcher = {
  kinds: Kind[]
  /** Every kind of frame from every node, once, now. */
  round: () => Round
  /** Sets a port's columns and waits until frames go that way. */
  set: (port: string, columns: Columns) => void
  /** What arrived since the last call. */
  take: () => Delivery[]
  pace: (framesPerSecond: number) => void
  close: () => Promise<void>
}

export function startWatcher(plan: WatcherPlan): Watcher {
  const signal = new Int32Array(new SharedArrayBuffer(4))
  const { port1, port2 } = new MessageChannel()
  const worker = new Worker(new URL('./watcher-thread.ts', import.meta.url), {
    workerData: { plan, signal, port: port2 },
    transferList: [port2],
    execArgv: [],
  })
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))

  function call<T>(name: string, ...words: unknown[]): T {
    Atomics.store(signal, 0, 0)
    port1.postMessage({ name, words })
    if (Atomics.wait(signal, 0, 0, 20_000) === 'timed-out')
      throw new Error(`the watcher did not answer ${name}`)
    const answer = receiveMessageOnPort(port1)?.message as { result?: T; error?: string } | undefined
    if (answer === undefined || answer.error !== undefined)
      throw new Error(`the watcher failed at ${name}: ${answer?.error}`)
    return answer.result as T
  }

  return {
    kinds: call<Kind[]>('kinds'),
    round: () => call<Round>('round'),
    set: (port, columns) => call('set', port, columns),
    take: () => call<Delivery[]>('take'),
    pace: (framesPerSecond) => call('pace', framesPerSecond),
    close: async () => {
      call('close')
      port1.close()
      await ended
    },
  }
}

/** Now, on the clock of the prober. */
export function microseconds(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}
