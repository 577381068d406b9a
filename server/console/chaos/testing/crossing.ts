/** Bytes that cross a console both ways for a while: what was typed, and what came of it; what was printed, and seen. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LabMachine } from '../../../lab/index.ts'
import { watch } from '../../testing.ts'
import { until } from './estate.ts'
import { type Stream, startStream } from './stream.ts'

export interface Crossing {
  typed: Buffer
  arrived: Buffer
  /** What a watcher saw from the beginning of the machine's stream on. */
  seen: Buffer
  stream: Stream
}

const typedAtOnce = 8

/** The machine prints, somebody types, for so long; then both wait until nothing is on its way any more. */
export async function cross(
  console: { url: string; token: string; node: string },
  machine: LabMachine,
  load: { ms: number; printedPerSecond: number; typedPerSecond: number },
): Promise<Crossing> {
  const watcher = await watch(console.url, console.node, { token: console.token })
  const state = () => (watcher.last('state') ?? watcher.last('hello'))?.state
  await until(() => state() === 'up', 'the line')
  const typed: Buffer[] = []
  const arrived: Buffer[] = []
  const deafen = machine.serial.onInput((bytes) => void arrived.push(Buffer.from(bytes)))
  const stream = startStream(machine, load.printedPerSecond)
  const everyMs = (typedAtOnce * 1_000) / load.typedPerSecond
  for (const end = Date.now() + load.ms; Date.now() < end; await sleep(everyMs)) {
    const keys = randomBytes(typedAtOnce)
    typed.push(keys)
    watcher.type(keys)
  }
  stream.stop()
  await quiet(() => stream.acknowledged().length + watcher.bytes.length + sizeOf(arrived))
  deafen()
  await watcher.close()
  return { typed: Buffer.concat(typed), arrived: Buffer.concat(arrived), seen: watcher.bytes, stream }
}

/** Waits until a number has stayed the same for a while. */
async function quiet(size: () => number): Promise<void> {
  for (let [before, left] = [-1, 0]; left < 4; await sleep(500)) {
    left = size() === before ? left + 1 : 0
    before = size()
  }
}

const sizeOf = (parts: readonly Buffer[]): number => parts.reduce((sum, part) => sum + part.length, 0)
