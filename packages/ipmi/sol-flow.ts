/**
 * The flow of characters over SOL as the remote console sees it: a state machine with no clock and no socket
 * (IPMI 2.0, 15.9 to 15.11). Each side has one packet under way at most, and sends it again until it is acknowledged.
 *
 * SOL's own numbers go round after 15, so a packet that was held up in the network could be taken for a later one.
 * Therefore every packet comes with the number of the session's datagram that brought it (`at`), which does not.
 */
import { nextSolSequence, type SolFromBmc, type SolToBmc } from './wire/index.ts'

/** Something for the machine: characters, or a serial break. */
type Item = Buffer | 'break'

export type SolFlow = Readonly<{
  /** Characters that fit into one packet. */
  mostData: number
  /** Take any acknowledgement as one of the whole packet, for BMCs that count wrongly. */
  ignoreCounts: boolean
  /** What has not been sent yet, or was given back by the BMC. */
  items: readonly Item[]
  /** What was sent and not acknowledged yet. */
  flight: Readonly<{ sequence: number; item: Item }> | undefined
  lastSent: number
  /** The BMC cannot take characters for the machine at present. */
  held: boolean
  /** Datagram with the last acknowledgement of ours, with the newest status, with the newest data. */
  acknowledgedAt: number | undefined
  statusAt: number | undefined
  /** The last packet with a number of its own, and how many of its characters were taken. */
  heard: Readonly<{ sequence: number; accepted: number; at: number }> | undefined
}>

export type Acknowledgement = Readonly<{ sequence: number; accepted: number }>

/** What an incoming packet means. Things happen in this order: `deliver`, then `acknowledge`. */
export type Received = {
  flow: SolFlow
  /** New characters from the machine. */
  deliver: Buffer | undefined
  /** To be sent after they have been delivered. */
  acknowledge: Acknowledgement | undefined
  /** What became of our own packet: all of it taken, or some of it given back. */
  outcome: 'taken' | 'given back' | undefined
  /** Characters may be missing before those that are delivered. */
  overrun: boolean
  breakDetected: boolean
  deactivating: boolean
}

export function newSolFlow(mostData: number, ignoreCounts: boolean): SolFlow {
  return {
    mostData,
    ignoreCounts,
    items: [],
    flight: undefined,
    lastSent: 0,
    held: false,
    acknowledgedAt: undefined,
    statusAt: undefined,
    heard: undefined,
  }
}

/** Characters that the BMC has not acknowledged. */
export function queuedBytes(flow: SolFlow): number {
  let sum = flow.flight === undefined ? 0 : sizeOf(flow.flight.item)
  for (const item of flow.items) sum += sizeOf(item)
  return sum
}

/** Puts characters, or a break, behind what is queued. */
export function enqueue(flow: SolFlow, item: Item): SolFlow {
  const last = flow.items.at(-1)
  if (typeof item === 'string' || last === undefined || typeof last === 'string') {
    return { ...flow, items: [...flow.items, item] }
  }
  return { ...flow, items: [...flow.items.slice(0, -1), Buffer.concat([last, item])] }
}

/**
 * The next packet to send: new characters if none are under way, with the acknowledgement if there is one; or the
 * acknowledgement alone; or nothing. `launched` says that it must be sent again until acknowledged.
 */
export function nextPacket(
  flow: SolFlow,
  acknowledge: Acknowledgement | undefined,
): { flow: SolFlow; packet: SolToBmc | undefined; launched: boolean } {
  const [first, ...others] = flow.items
  if (flow.flight !== undefined || flow.held || first === undefined) {
    const packet = acknowledge === undefined ? undefined : packetOf(0, acknowledge, nothing)
    return { flow, packet, launched: false }
  }
  const cut = typeof first !== 'string' && first.length > flow.mostData
  const item = cut ? first.subarray(0, flow.mostData) : first
  const items = cut ? [first.subarray(flow.mostData), ...others] : others
  const sequence = nextSolSequence(flow.lastSent)
  return {
    flow: { ...flow, items, flight: { sequence, item }, lastSent: sequence },
    packet: packetOf(sequence, acknowledge, item),
    launched: true,
  }
}

/** The packet under way once more. */
export function repeated({ flight }: SolFlow): SolToBmc | undefined {
  return flight && packetOf(flight.sequence, undefined, flight.item)
}

/** The packet under way under another number, for BMCs that got stuck on it. */
export function renumbered(flow: SolFlow): SolFlow {
  if (flow.flight === undefined) return flow
  const sequence = nextSolSequence(flow.lastSent)
  return { ...flow, flight: { ...flow.flight, sequence }, lastSent: sequence }
}

/** Tries again although the BMC has not said that it can take characters. */
export function unheld(flow: SolFlow): SolFlow {
  return { ...flow, held: false }
}

/** Reads one packet. */
export function receive(flow: SolFlow, packet: SolFromBmc, at: number): Received {
  const answered = readAnswer(readStatus(flow, packet, at), packet, at)
  const data = readData(answered.flow, packet, at)
  return {
    ...data,
    outcome: answered.outcome,
    overrun: data.overrun || packet.overrun,
    breakDetected: packet.breakDetected,
    deactivating: packet.deactivating,
  }
}

function readStatus(flow: SolFlow, packet: SolFromBmc, at: number): SolFlow {
  return isNewer(at, flow.statusAt) ? { ...flow, statusAt: at, held: packet.unavailable } : flow
}

function readAnswer(
  flow: SolFlow,
  packet: SolFromBmc,
  at: number,
): { flow: SolFlow; outcome: Received['outcome'] } {
  const { flight } = flow
  // An acknowledgement older than the last one cannot be of a packet that was sent after that.
  const isAnswer = flight?.sequence === packet.acknowledges && isNewer(at, flow.acknowledgedAt)
  if (flight === undefined || !isAnswer) return { flow, outcome: undefined }
  const rest = restOf(flight.item, packet, flow.ignoreCounts)
  const landed = { ...flow, flight: undefined, acknowledgedAt: at }
  if (rest === undefined) return { flow: landed, outcome: 'taken' }
  // It goes under a new number: the BMC has already answered for the old one.
  const held = flow.held || packet.refused
  return { flow: { ...landed, items: [rest, ...flow.items], held }, outcome: 'given back' }
}

function restOf(item: Item, packet: SolFromBmc, ignoreCounts: boolean): Item | undefined {
  if (item === 'break') return packet.refused ? item : undefined
  if (packet.refused) return packet.accepted < item.length ? item.subarray(packet.accepted) : undefined
  // Some BMCs count nothing at all; sending again what they took would type it twice, for ever.
  if (ignoreCounts || packet.accepted === 0 || packet.accepted >= item.length) return undefined
  return item.subarray(packet.accepted)
}

function readData(
  flow: SolFlow,
  { sequence, data }: SolFromBmc,
  at: number,
): Pick<Received, 'flow' | 'deliver' | 'acknowledge' | 'overrun'> {
  const { heard } = flow
  const none = { flow, deliver: undefined, acknowledge: undefined, overrun: false }
  if (sequence === 0) return none
  const fresh = isNewer(at, heard?.at)
  if (heard?.sequence === sequence) {
    // A repetition; it may hold more than the packet did at first.
    const accepted = fresh ? Math.max(heard.accepted, data.length) : heard.accepted
    return {
      flow: { ...flow, heard: { sequence, accepted, at: fresh ? at : heard.at } },
      deliver: accepted > heard.accepted ? data.subarray(heard.accepted) : undefined,
      acknowledge: { sequence, accepted },
      overrun: false,
    }
  }
  // A repetition that was overtaken by the packet after it.
  if (!fresh) return none
  return {
    flow: { ...flow, heard: { sequence, accepted: data.length, at } },
    deliver: data.length > 0 ? data : undefined,
    acknowledge: { sequence, accepted: data.length },
    // The BMC gave up on a packet that never got here.
    overrun: heard !== undefined && sequence !== nextSolSequence(heard.sequence),
  }
}

function packetOf(sequence: number, acknowledge: Acknowledgement | undefined, item: Item): SolToBmc {
  return {
    sequence,
    acknowledges: acknowledge?.sequence ?? 0,
    accepted: Math.min(acknowledge?.accepted ?? 0, 255),
    refused: false,
    ring: false,
    generateBreak: item === 'break',
    holdCts: false,
    dropDcd: false,
    flushInbound: false,
    flushOutbound: false,
    data: item === 'break' ? nothing : item,
  }
}

const nothing = Buffer.alloc(0)
const sizeOf = (item: Item): number => (item === 'break' ? 0 : item.length)

/** Numbers of datagrams go round after 32 bits. */
const isNewer = (at: number, than: number | undefined): boolean => than === undefined || ((at - than) | 0) > 0
