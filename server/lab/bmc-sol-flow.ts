/** The flow of characters over SOL as a BMC sees it: no clock, no socket (IPMI 2.0, 15.9 to 15.11). */
import { nextSolSequence, type SolFromBmc, type SolToBmc } from '@leasehold/ipmi/wire'

export type BmcFlow = {
  /** Queues output of the machine. */
  output(bytes: Buffer): void
  breakDetected(): void
  /**
   * Reads a packet. `input` and `break` are for the machine, which has room for so many bytes; `taken` is output that
   * the console has acknowledged. To be followed by `next`.
   */
  receive(packet: SolToBmc, at: number, room: number): { input: Buffer; break: boolean; taken: Buffer }
  /** What to send now, if anything: the answer to what was received, and output that waits. */
  next(): { packet: SolFromBmc; launched: boolean } | undefined
  /** Says that the machine takes input again. */
  ready(): SolFromBmc
  /** The packet under way once more. With `grow`, output that waits is added to it. */
  repeat(grow: boolean): SolFromBmc | undefined
  /** Drops the packet under way, which nobody acknowledges: gives how many bytes that were. */
  giveUp(): number
  /** Whether nothing is under way. */
  readonly landed: boolean
  /** Output not acknowledged. */
  readonly queued: number
}

/** `size`: characters in a packet at most. `miscounts`: acknowledges without counting, as some BMCs do. */
export function createBmcFlow(size: number, miscounts: () => number | undefined = () => undefined): BmcFlow {
  let waiting: Buffer = Buffer.alloc(0)
  let flight: { sequence: number; data: Buffer; overrun: boolean; breakDetected: boolean } | undefined
  let lastSent = 0
  /** Bytes of the packet under way that the console has. */
  let partlyTaken = 0
  /** Datagrams that brought the newest acknowledgement, and the newest input. */
  let acknowledgedAt = 0
  let heard = { sequence: 0, accepted: 0, refused: false, at: 0 }
  let answer: { sequence: number; accepted: number; refused: boolean } | undefined
  let overrun = false
  let broke = false
  /** Not even news without characters were acknowledged: nobody is there to be told more. */
  let alone = false

  const packetOf = (fields: Partial<SolFromBmc>): SolFromBmc => {
    const packet: SolFromBmc = {
      sequence: 0,
      acknowledges: answer?.sequence ?? 0,
      accepted: answer === undefined ? 0 : (miscounts() ?? answer.accepted),
      refused: answer?.refused ?? false,
      unavailable: answer?.refused ?? false,
      deactivating: false,
      overrun: false,
      breakDetected: false,
      data: Buffer.alloc(0),
      ...fields,
    }
    answer = undefined
    return packet
  }

  const hear = ({ acknowledges, accepted }: SolToBmc, at: number): Buffer => {
    if (flight === undefined || acknowledges !== flight.sequence || at <= acknowledgedAt)
      return Buffer.alloc(0)
    acknowledgedAt = at
    const taken = flight.data.subarray(0, accepted)
    // The console has seen the packet as it was at first. It must be shown the rest under the same number: it may
    // be on its way to acknowledge that, too.
    if (accepted >= flight.data.length) flight = undefined
    else partlyTaken = Math.max(partlyTaken, accepted)
    return taken
  }

  return {
    output(bytes) {
      alone = false
      waiting = waiting.length === 0 ? bytes : Buffer.concat([waiting, bytes])
    },
    breakDetected() {
      broke = true
    },
    receive(packet, at, room) {
      alone = false
      const before = partlyTaken
      const acknowledged = hear(packet, at)
      const taken = acknowledged.subarray(Math.min(before, acknowledged.length))
      if (flight === undefined) partlyTaken = 0
      const nothing = { input: Buffer.alloc(0), break: false, taken }
      if (packet.sequence === 0) return nothing
      if (packet.sequence === heard.sequence) {
        // A repetition: the same answer again, whatever there is room for by now.
        answer = heard
        return nothing
      }
      if (at <= heard.at) return nothing
      const input = packet.data.subarray(0, Math.max(0, Math.min(room, packet.data.length)))
      heard = {
        sequence: packet.sequence,
        accepted: input.length,
        refused: input.length < packet.data.length,
        at,
      }
      answer = heard
      return { input, break: packet.generateBreak, taken }
    },
    next() {
      if (flight === undefined && (waiting.length > 0 || ((broke || overrun) && !alone))) {
        lastSent = nextSolSequence(lastSent)
        flight = { sequence: lastSent, data: waiting.subarray(0, size), overrun, breakDetected: broke }
        waiting = waiting.subarray(flight.data.length)
        overrun = false
        broke = false
        return { packet: packetOf(flight), launched: true }
      }
      return answer === undefined ? undefined : { packet: packetOf({}), launched: false }
    },
    ready: () => packetOf({}),
    repeat(grow) {
      if (flight === undefined) return undefined
      if (grow) {
        const more = waiting.subarray(0, Math.max(0, size - flight.data.length))
        flight = { ...flight, data: Buffer.concat([flight.data, more]) }
        waiting = waiting.subarray(more.length)
      }
      return packetOf(flight)
    },
    giveUp() {
      const bytes = flight === undefined ? 0 : flight.data.length - partlyTaken
      alone = flight?.data.length === 0
      flight = undefined
      partlyTaken = 0
      overrun = true
      return bytes
    },
    get landed() {
      return flight === undefined
    },
    get queued() {
      return waiting.length + (flight?.data.length ?? 0)
    },
  }
}
