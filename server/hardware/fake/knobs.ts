/** The knobs of a fake machine: `driver_info` keys that make it slow, failing or waiting, for demonstrations and tests. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LeaseholdError } from '../../errors.ts'
import type { Bounds, InterfaceType, Node } from '../types.ts'

/** What a fake machine can be asked to do: `power.set_state`, `deploy.erase_devices`, `console.validate`. */
export type Operation = `${InterfaceType}.${string}`

export interface Knobs {
  fail: ReadonlySet<string>
  failMessage: string
  wait: ReadonlySet<string>
  delayMs: number
}

/** Operations that may be named in `fake_fail` and in `fake_wait`. */
export interface KnownOperations {
  fail: readonly Operation[]
  wait: readonly Operation[]
}

export const longestDelayMs = 600_000

/**
 * The knobs a node's `driver_info` sets. Absent ones, null and empty text are as if never set.
 * @throws LeaseholdError 'invalid' naming the key, what it must be, and the nearest operations.
 */
export function readKnobs(node: Pick<Node, 'driver_info'>, known: KnownOperations): Knobs {
  const info = node.driver_info
  return {
    fail: readList('fake_fail', info.fake_fail, known.fail),
    failMessage: readText('fake_fail_message', info.fake_fail_message) ?? 'failed because fake_fail says so',
    wait: readList('fake_wait', info.fake_wait, known.wait),
    delayMs: readDelay(info.fake_delay_ms),
  }
}

/**
 * Plays an operation: takes its time, then fails or not.
 * @returns whether it goes on by itself and the node must wait.
 * @throws LeaseholdError 'unavailable' when `fake_fail` names it; the signal's reason when that fires.
 */
export async function play(knobs: Knobs, operation: Operation, bounds: Bounds): Promise<undefined | 'wait'> {
  bounds.signal.throwIfAborted()
  if (knobs.delayMs > 0)
    await sleep(knobs.delayMs, undefined, { signal: bounds.signal }).catch(() =>
      bounds.signal.throwIfAborted(),
    )
  if (knobs.fail.has(operation)) throw failure(knobs, operation)
  return knobs.wait.has(operation) ? 'wait' : undefined
}

export const failure = (knobs: Knobs, operation: Operation): LeaseholdError =>
  new LeaseholdError('unavailable', `Fake machine: ${operation}: ${knobs.failMessage}.`)

function readList(key: string, value: unknown, known: readonly string[]): ReadonlySet<string> {
  const text = readText(key, value) ?? ''
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const wrong = names.find((name) => !known.includes(name))
  if (wrong !== undefined) {
    const [type] = wrong.split('.')
    const near = known.filter((name) => name.startsWith(`${type}.`))
    throw invalid(
      key,
      `${JSON.stringify(wrong)} is no operation; choose from ${(near.length ? near : known).join(', ')}`,
    )
  }
  return new Set(names)
}

function readText(key: string, value: unknown): string | undefined {
  if (value == null || value === '') return undefined
  if (typeof value !== 'string') throw invalid(key, 'must be text')
  return value
}

function readDelay(value: unknown): number {
  if (value == null || value === '') return 0
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > longestDelayMs)
    throw invalid('fake_delay_ms', `must be a whole number of milliseconds from 0 to ${longestDelayMs}`)
  return number
}

const invalid = (key: string, words: string): LeaseholdError =>
  new LeaseholdError('invalid', `driver_info: ${key} ${words}.`)
