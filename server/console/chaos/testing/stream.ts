/**
 * A machine that prints all the time, each byte telling where it stands; and what must have become of it: that all
 * that the BMC got acknowledged is in the journal, in order, once, and that the journal says where something is missing.
 */
import { createHash } from 'node:crypto'
import type { LabMachine } from '../../../lab/index.ts'
import { type MarkEntry, readJournal } from '../../journal/index.ts'

export interface Stream {
  /** What the BMC got acknowledged so far. */
  acknowledged(): Buffer
  /** Sessions that have had SOL, in order. */
  readonly owners: readonly number[]
  /** It prints no more. */
  stop(): void
}

const recordBytes = 16
const tickMs = 20
/** What one packet of the simulated BMC holds at most. */
const packetBytes = 196

/** The nth thing that a machine prints. */
const recordOf = (n: number): string => `${String(n).padStart(recordBytes - 1, '0')}\n`

export function startStream(machine: LabMachine, bytesPerSecond: number): Stream {
  const taken: Buffer[] = []
  const owners: number[] = []
  machine.serial.onTaken((bytes) => void taken.push(Buffer.from(bytes)))
  let next = 0
  let owed = 0
  const ticking = setInterval(() => {
    const owner = machine.solOwner()
    if (owner !== undefined && owner !== owners.at(-1)) owners.push(owner)
    let text = ''
    for (owed += (bytesPerSecond * tickMs) / 1_000; owed >= recordBytes; owed -= recordBytes) {
      text += recordOf(next)
      next += 1
    }
    if (text) machine.serial.write(text)
  }, tickMs)
  return {
    acknowledged: () => Buffer.concat(taken),
    owners,
    stop: () => clearInterval(ticking),
  }
}

export interface Account {
  /** SHA-256 of what was acknowledged, and of the journal without what was not. */
  sent: string
  kept: string
  /** Bytes in the journal that were not acknowledged: written down, and then the service was killed. */
  extras: number[]
  /** Places where something of the machine's output is missing, and how many of them the journal marks. */
  gaps: number
  marked: number
}

/** Compares what was acknowledged with the journals of a machine, those of an earlier holder first. */
export async function accountFor(acknowledged: Buffer, directories: readonly string[]): Promise<Account> {
  const journals = await Promise.all(directories.map(readAll))
  const { kept, extras } = withoutExtras(Buffer.concat(journals.map(({ bytes }) => bytes)), acknowledged)
  const gaps = journals.flatMap(({ bytes, marks }) =>
    gapsIn(bytes).map((at) => marks.some((mark) => mark <= at && mark > at - recordBytes)),
  )
  return {
    sent: sha256(acknowledged),
    kept: sha256(kept),
    extras,
    gaps: gaps.length,
    marked: gaps.filter(Boolean).length,
  }
}

/** What an account must be like: all there, nothing more than a packet for each end of a session, no gap unmarked. */
export const isSound = (account: Account): boolean =>
  account.sent === account.kept &&
  account.extras.every((bytes) => bytes <= packetBytes) &&
  account.gaps === account.marked

/** A journal's bytes, one after the other, and where among them its marks stand. */
async function readAll(directory: string): Promise<{ bytes: Buffer; marks: number[] }> {
  const parts: Buffer[] = []
  const marks: number[] = []
  let length = 0
  for await (const entry of readJournal(directory, { from: 0 })) {
    if (entry.bytes === undefined) {
      if (tellsOfALoss(entry)) marks.push(length)
      continue
    }
    parts.push(entry.bytes)
    length += entry.bytes.length
  }
  return { bytes: Buffer.concat(parts), marks }
}

const tellsOfALoss = ({ mark }: MarkEntry): boolean =>
  mark.kind === 'gap' || mark.kind === 'line' || (mark.kind === 'event' && mark.event === 'overrun')

function withoutExtras(journal: Buffer, acknowledged: Buffer): { kept: Buffer; extras: number[] } {
  const kept: Buffer[] = []
  const extras: number[] = []
  let at = 0
  for (let done = 0; done < acknowledged.length; ) {
    const same = equalFrom(journal, at, acknowledged, done)
    kept.push(journal.subarray(at, at + same))
    at += same
    done += same
    if (done === acknowledged.length) break
    // Long enough to be nowhere else.
    const ahead = journal.indexOf(acknowledged.subarray(done, done + 3 * recordBytes), at)
    if (ahead < 0) break
    extras.push(ahead - at)
    at = ahead
  }
  if (at < journal.length) extras.push(journal.length - at)
  return { kept: Buffer.concat(kept), extras }
}

function equalFrom(left: Buffer, leftAt: number, right: Buffer, rightAt: number): number {
  const most = Math.min(left.length - leftAt, right.length - rightAt)
  let length = 0
  while (length < most && left[leftAt + length] === right[rightAt + length]) length += 1
  return length
}

/** Where the next byte is not the one that the machine printed next. */
function gapsIn(bytes: Buffer): number[] {
  const gaps: number[] = []
  let position = positionAt(bytes, 0) ?? 0
  for (let at = 0; at < bytes.length; at += 1, position += 1) {
    if (bytes[at] === recordOf(Math.floor(position / recordBytes)).charCodeAt(position % recordBytes))
      continue
    gaps.push(at)
    const found = positionAt(bytes, at)
    // Less than a record is left.
    if (found === undefined) break
    position = found
  }
  return gaps
}

/** Where in the machine's output these bytes stand, by the next whole record. */
function positionAt(bytes: Buffer, at: number): number | undefined {
  const start = bytes.indexOf('\n', at) + 1
  const record = bytes.toString('latin1', start, start + recordBytes)
  if (start === 0 || !/^\d{15}\n$/.test(record)) return undefined
  return Number(record) * recordBytes - (start - at)
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
