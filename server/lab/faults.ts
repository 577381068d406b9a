/** What can be made to go wrong with a simulated BMC, and how it shows on the wire. */
import { randomBytes } from 'node:crypto'

export type Fault =
  /** Loses that share of the datagrams, each way. */
  | { kind: 'drop'; percent: number }
  /** Answers nothing. */
  | { kind: 'silent' }
  /** Answers late. */
  | { kind: 'slow'; delayMs: number }
  /** Answers commands with completion code C0h, so many times or always. */
  | { kind: 'busy'; times?: number }
  /** Refuses new sessions for want of room. */
  | { kind: 'no-sessions' }
  /** Answers with random bytes. */
  | { kind: 'malformed' }
  /** Answers commands without their data. */
  | { kind: 'truncated' }
  /** Spoils the checksum of the IPMI message inside a well-signed packet. */
  | { kind: 'bad-checksum' }
  /** Spoils the signature of every packet in a session. */
  | { kind: 'bad-signature' }
  /** Spoils the authentication code of RAKP message 2 or 4. */
  | { kind: 'bad-rakp'; message: 2 | 4 }
  /** Accepts power commands and does nothing. */
  | { kind: 'stuck-power' }

export type FaultKind = Fault['kind']

export type Faults = {
  /** Adds a fault; the function it gives takes it away again. */
  inject(fault: Fault): () => void
  clear(): void
  find<K extends FaultKind>(kind: K): Extract<Fault, { kind: K }> | undefined
  /** Whether this datagram is lost on its way, in or out. */
  loses(): boolean
  /** Whether this command is to be refused as busy; counts down. */
  isBusy(): boolean
}

export function createFaults(): Faults {
  const active = new Set<Fault>()

  const find = <K extends FaultKind>(kind: K) => {
    for (const fault of active) if (fault.kind === kind) return fault as Extract<Fault, { kind: K }>
    return undefined
  }

  return {
    find,
    inject(fault) {
      const own = { ...fault }
      active.add(own)
      return () => void active.delete(own)
    },
    clear: () => active.clear(),
    loses() {
      if (active.size === 0) return false
      const drop = find('drop')
      return find('silent') !== undefined || (drop !== undefined && Math.random() * 100 < drop.percent)
    },
    isBusy() {
      const busy = find('busy')
      if (busy === undefined) return false
      if (busy.times === undefined) return true
      busy.times -= 1
      if (busy.times <= 0) active.delete(busy)
      return true
    },
  }
}

/** The bytes with their last one changed: a checksum or signature that is no longer right. */
export function spoiled(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  if (copy.length > 0) copy[copy.length - 1] = copy.readUInt8(copy.length - 1) ^ 0x55
  return copy
}

/** Bytes that mean nothing, as long as the ones they stand for. */
export const gibberish = (bytes: Buffer): Buffer => randomBytes(bytes.length)
