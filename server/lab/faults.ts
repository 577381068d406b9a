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
  /** Knows a session by the port that its packets come from: a new session from there ends the one before. */
  | { kind: 'session-per-port' }
  /** Opens one session to each port and is deaf to later openings from it, until a question without a session comes from there. */
  | { kind: 'port-once' }
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
  /** Holds that share of the datagrams up, each way, so that later ones overtake them. */
  | { kind: 'reorder'; percent: number; delayMs?: number }
  /** Delivers that share of the datagrams twice, each way. */
  | { kind: 'duplicate'; percent: number }
  /** Tells a session whose SOL is deactivated by another. */
  | { kind: 'sol-tells' }
  /** Says that SOL is active for another session until somebody deactivates it. */
  | { kind: 'sol-stuck' }
  /** Loses the first answer to Activate Payload. */
  | { kind: 'sol-answer-lost' }
  /** Refuses Activate Payload with that completion code. */
  | { kind: 'sol-refused'; completionCode: number }
  /** Refuses Activate Payload unless serial alerts are to wait. */
  | { kind: 'sol-alerts' }
  /** Names payload sizes with swapped bytes, or another inbound size than it takes. */
  | { kind: 'sol-sizes'; named: 'swapped' | number }
  /** Names that UDP port for SOL. */
  | { kind: 'sol-port'; port: number }
  /** Refuses, or does not answer, the questions who has SOL: those two commands, or only 4Bh. */
  | { kind: 'sol-status'; how: 'refused' | 'silent'; only?: 'instance' }
  /** Names the owner of SOL by the console's id of its session, by swapped bytes, or by a number of its own. */
  | { kind: 'sol-owner'; named: 'by-console-id' | 'swapped' | 'wrongly' }
  /** Counts accepted characters wrongly in its acknowledgements: always as that many. */
  | { kind: 'sol-miscount'; accepted: number }
  /** Ignores typed packets with a number until another number comes. */
  | { kind: 'sol-sticks'; sequence: number }
  /** Takes no typed characters and acknowledges none. */
  | { kind: 'sol-deaf' }
  /** Adds output to a packet that it sends again. */
  | { kind: 'sol-grows' }
  /** Ends SOL, whoever has it, when a session times out that once had it. */
  | { kind: 'sol-old-session' }

export type FaultKind = Fault['kind']

export type Faults = {
  /** Adds a fault; the function it gives takes it away again. */
  inject(fault: Fault): () => void
  clear(): void
  find<K extends FaultKind>(kind: K): Extract<Fault, { kind: K }> | undefined
  /** Takes the faults of a kind away; whether there were any. */
  endOnce(kind: FaultKind): boolean
  /** Carries a datagram over the network, in or out: perhaps never, late, or twice. */
  carry(deliver: () => void): void
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
    endOnce(kind) {
      const found = [...active].filter((fault) => fault.kind === kind)
      for (const fault of found) active.delete(fault)
      return found.length > 0
    },
    carry(deliver) {
      if (active.size === 0) return deliver()
      const meets = (fault: { percent: number } | undefined) =>
        fault !== undefined && Math.random() * 100 < fault.percent
      if (find('silent') !== undefined || meets(find('drop'))) return
      const reorder = find('reorder')
      for (let copies = meets(find('duplicate')) ? 2 : 1; copies > 0; copies -= 1) {
        if (!meets(reorder)) deliver()
        else setTimeout(deliver, Math.random() * (reorder?.delayMs ?? 20)).unref()
      }
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
