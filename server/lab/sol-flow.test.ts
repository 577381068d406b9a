/** Both ends of SOL's flow over a model of a bad network: nothing is lost, doubled or out of order, whatever it does. */
import {
  type Acknowledgement,
  enqueue,
  newSolFlow,
  nextPacket,
  queuedBytes,
  receive,
  renumbered,
  repeated,
  type SolFlow,
  unheld,
} from '@leasehold/ipmi/sol-flow'
import {
  accept,
  decodeSolFromBmc,
  decodeSolToBmc,
  emptyWindow,
  encodeSolFromBmc,
  encodeSolToBmc,
  isMalformed,
  type SolFromBmc,
  type SolToBmc,
} from '@leasehold/ipmi/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBmcFlow } from './bmc-sol-flow.ts'

type Weather = { seed: number; loss: number; duplication: number; reordering: number }

const percent = (max: number) => fc.integer({ min: 0, max })
const weather: fc.Arbitrary<Weather> = fc.record({
  seed: fc.nat(),
  loss: percent(50),
  duplication: percent(30),
  reordering: percent(60),
})
const text = fc.uint8Array({ minLength: 0, maxLength: 400 }).map((bytes) => Buffer.from(bytes))
const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 30 })

/** A sequence of numbers from 0 to below 1 that looks like chance and is always the same for a seed. */
function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One way of the network with the session's numbers and window around it. */
function way(roll: () => number, { loss, duplication, reordering }: Weather) {
  const flying: { at: number; bytes: Buffer }[] = []
  let sent = 0
  let window = emptyWindow
  return {
    send(bytes: Buffer, fair: boolean) {
      sent += 1
      const chance = fair ? 1 : roll() * 100
      if (!fair && chance < loss) return
      flying.push({ at: sent, bytes })
      if (!fair && roll() * 100 < duplication) flying.push({ at: sent, bytes })
    },
    /** The next datagram to arrive that its session does not refuse. */
    arrive(): { at: number; bytes: Buffer } | undefined {
      const index = roll() * 100 < reordering ? Math.floor(roll() * flying.length) : 0
      const [datagram] = flying.splice(index, 1)
      if (datagram === undefined) return undefined
      const moved = accept(window, datagram.at)
      if (moved === undefined) return undefined
      window = moved
      return datagram
    },
    get empty() {
      return flying.length === 0
    },
  }
}

const readable = <T extends object>(value: T): Exclude<T, { malformed: string }> => {
  if (isMalformed(value)) throw new Error('a packet of ours cannot be read')
  return value as Exclude<T, { malformed: string }>
}

type Play = {
  typed: readonly Uint8Array[]
  output: readonly Uint8Array[]
  grows: boolean
  /** Chance that the machine has little room for what is typed. */
  fullness: number
  /** How often the BMC sends a packet before it drops it. */
  retries: number
  /** Output after all of that. */
  last?: string
}

/** Plays both ends until everything has come through, and gives what each side got. */
function play(bad: Weather, { typed, output, grows, fullness, retries, last = '' }: Play) {
  const roll = dice(bad.seed)
  const toBmc = way(roll, bad)
  const toConsole = way(roll, bad)
  const bmc = createBmcFlow(50)
  const left = { typed: [...typed], output: [...output] }
  const got = {
    console: [] as Buffer[],
    machine: [] as Buffer[],
    taken: [] as Buffer[],
    overruns: 0,
    dropped: 0,
  }
  let flow: SolFlow = newSolFlow(28, false)
  let fair = false
  let tries = 0
  let said = last === ''

  const console = {
    send(packet: SolToBmc | undefined) {
      if (packet !== undefined) toBmc.send(encodeSolToBmc(packet), fair)
    },
    flush(acknowledge?: Acknowledgement) {
      const next = nextPacket(flow, acknowledge)
      flow = next.flow
      console.send(next.packet)
    },
    hear() {
      const datagram = toConsole.arrive()
      if (datagram === undefined) return
      const received = receive(flow, readable(decodeSolFromBmc(datagram.bytes)), datagram.at)
      flow = received.flow
      if (received.overrun) got.overruns += 1
      if (received.deliver !== undefined) got.console.push(Buffer.from(received.deliver))
      console.flush(received.acknowledge)
    },
  }
  const machine = {
    send(packet: SolFromBmc | undefined) {
      if (packet !== undefined) toConsole.send(encodeSolFromBmc(packet), fair)
    },
    flush() {
      const next = bmc.next()
      if (next?.launched) tries = 1
      machine.send(next?.packet)
    },
    hear() {
      const datagram = toBmc.arrive()
      if (datagram === undefined) return
      const room = !fair && roll() * 100 < fullness ? Math.floor(roll() * 10) : 1_000
      const { input, taken } = bmc.receive(readable(decodeSolToBmc(datagram.bytes)), datagram.at, room)
      if (input.length > 0) got.machine.push(Buffer.from(input))
      if (taken.length > 0) got.taken.push(Buffer.from(taken))
      machine.flush()
    },
    timeOut() {
      if (tries > retries) {
        got.dropped += bmc.giveUp()
        return machine.flush()
      }
      machine.send(bmc.repeat(grows))
      tries += 1
    },
  }
  const moves = [
    console.hear,
    console.hear,
    machine.hear,
    machine.hear,
    () => console.send(repeated(flow)),
    machine.timeOut,
    () => {
      flow = unheld(flow)
      console.flush()
    },
    () => {
      const bytes = left.typed.shift()
      if (bytes !== undefined) flow = enqueue(flow, Buffer.from(bytes))
      console.flush()
    },
    () => {
      const bytes = left.output.shift()
      if (bytes === undefined) return
      bmc.output(Buffer.from(bytes))
      machine.flush()
    },
  ]
  const isDone = () =>
    left.typed.length + left.output.length + queuedBytes(flow) + bmc.queued === 0 &&
    toBmc.empty &&
    toConsole.empty
  for (let move = 0; !isDone() || !said; move += 1) {
    if (move > 50_000) throw new Error('the two ends never come to rest')
    // In the end the weather clears up.
    fair ||= move > 4_000
    if (isDone()) {
      // Something always comes after a gap, sooner or later.
      said = true
      fair = true
      bmc.output(Buffer.from(last))
      machine.flush()
    }
    moves[Math.floor(roll() * moves.length)]?.()
  }
  return {
    console: Buffer.concat(got.console),
    machine: Buffer.concat(got.machine),
    taken: Buffer.concat(got.taken),
    overruns: got.overruns,
    dropped: got.dropped,
  }
}

describe('over any network that loses, doubles and reorders', () => {
  const patient = { retries: Infinity }

  test('what is typed and what the machine says arrive whole, once and in order', () => {
    fc.assert(
      fc.property(
        weather,
        chunks,
        chunks,
        fc.boolean(),
        percent(60),
        (bad, typed, output, grows, fullness) => {
          const got = play(bad, { typed, output, grows, fullness, ...patient })
          expect(got.machine.equals(Buffer.concat(typed))).toBe(true)
          expect(got.console.equals(Buffer.concat(output))).toBe(true)
          expect(got.taken.equals(Buffer.concat(output))).toBe(true)
          expect(got.overruns).toBe(0)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('all 256 byte values pass both ways', () => {
    const all = [Uint8Array.from({ length: 256 }, (_, value) => value)]
    const bad = { seed: 7, loss: 20, duplication: 10, reordering: 30 }
    const got = play(bad, { typed: all, output: all, grows: true, fullness: 20, ...patient })
    expect([got.machine, got.console]).toEqual([Buffer.concat(all), Buffer.concat(all)])
  })

  test('of a BMC that gives up on packets the rest arrives in order, and every gap is noted', () => {
    fc.assert(
      fc.property(weather, chunks, (bad, output) => {
        const got = play(bad, { typed: [], output, grows: false, fullness: 0, retries: 1, last: '!' })
        const all = Buffer.concat([...output, Buffer.from('!')])
        expect(isSubsequence(got.console, all)).toBe(true)
        expect(got.console.length + got.dropped).toBeGreaterThanOrEqual(all.length)
        if (got.console.length < all.length) expect(got.overruns).toBeGreaterThan(0)
      }),
      { numRuns: 200 },
    )
  })
})

function isSubsequence(part: Buffer, whole: Buffer): boolean {
  let at = 0
  for (const byte of whole) if (at < part.length && part[at] === byte) at += 1
  return at === part.length
}

describe('the console’s end', () => {
  const fromBmc = (fields: Partial<SolFromBmc>): SolFromBmc => ({
    sequence: 0,
    acknowledges: 0,
    accepted: 0,
    refused: false,
    unavailable: false,
    deactivating: false,
    overrun: false,
    breakDetected: false,
    data: Buffer.alloc(0),
    ...fields,
  })
  const sent = (bytes: string, mostData = 28) =>
    nextPacket(enqueue(newSolFlow(mostData, false), Buffer.from(bytes)), undefined)

  test('acknowledges what it has delivered, and a repetition of it again without delivering it', () => {
    const flow = newSolFlow(28, false)
    const packet = fromBmc({ sequence: 1, data: Buffer.from('abc') })
    const first = receive(flow, packet, 1)
    expect([first.deliver?.toString(), first.acknowledge]).toEqual(['abc', { sequence: 1, accepted: 3 }])
    const again = receive(first.flow, packet, 2)
    expect([again.deliver, again.acknowledge]).toEqual([undefined, { sequence: 1, accepted: 3 }])
  })

  test('delivers only what a longer repetition adds', () => {
    const first = receive(newSolFlow(28, false), fromBmc({ sequence: 4, data: Buffer.from('abc') }), 1)
    const longer = receive(first.flow, fromBmc({ sequence: 4, data: Buffer.from('abcdef') }), 2)
    expect([longer.deliver?.toString(), longer.acknowledge]).toEqual(['def', { sequence: 4, accepted: 6 }])
  })

  test('sends an acknowledgement along with characters that wait', () => {
    const received = receive(newSolFlow(28, false), fromBmc({ sequence: 1, data: Buffer.from('x') }), 1)
    const next = nextPacket(enqueue(received.flow, Buffer.from('y')), received.acknowledge)
    expect(next.packet).toMatchObject({ sequence: 1, acknowledges: 1, accepted: 1, data: Buffer.from('y') })
  })

  test('has one packet under way at most, cut to what the BMC takes', () => {
    const { flow, packet } = sent('abcdef', 4)
    expect(packet?.data.toString()).toBe('abcd')
    expect(nextPacket(flow, undefined).packet).toBeUndefined()
    const { flow: landed } = receive(flow, fromBmc({ acknowledges: 1, accepted: 4 }), 1)
    expect(nextPacket(landed, undefined).packet?.data.toString()).toBe('ef')
  })

  test('sends the rest of what was partly refused under a new number, once the BMC takes more', () => {
    const { flow } = sent('abcdef')
    const refused = receive(
      flow,
      fromBmc({ acknowledges: 1, accepted: 2, refused: true, unavailable: true }),
      1,
    )
    expect(refused.outcome).toBe('given back')
    expect(nextPacket(refused.flow, undefined).packet).toBeUndefined()
    const { flow: free } = receive(refused.flow, fromBmc({}), 2)
    expect(nextPacket(free, undefined).packet).toMatchObject({ sequence: 2, data: Buffer.from('cdef') })
  })

  test('an acknowledgement that was held up is not taken for one of a later packet with its number', () => {
    let { flow } = sent('a')
    for (let at = 1; at <= 15; at += 1) {
      flow = receive(flow, fromBmc({ acknowledges: ((at - 1) % 15) + 1, accepted: 1 }), at + 10).flow
      flow = nextPacket(enqueue(flow, Buffer.from('b')), undefined).flow
    }
    // Number 1 is under way again; this acknowledgement of the first number 1 took its time.
    expect(receive(flow, fromBmc({ acknowledges: 1, accepted: 1 }), 5).outcome).toBeUndefined()
  })

  test('breaks are sent in their place among the characters', () => {
    let { flow } = sent('a')
    flow = enqueue(enqueue(flow, 'break'), Buffer.from('b'))
    const kinds: string[] = []
    for (let at = 1; at <= 2; at += 1) {
      flow = receive(flow, fromBmc({ acknowledges: at, accepted: 1 }), at).flow
      const next = nextPacket(flow, undefined)
      flow = next.flow
      kinds.push(next.packet?.generateBreak ? 'break' : `${next.packet?.data}`)
    }
    expect(kinds).toEqual(['break', 'b'])
  })

  test('an acknowledgement that counts nothing is one of everything', () => {
    const { flow } = sent('abc')
    expect(receive(flow, fromBmc({ acknowledges: 1, accepted: 0 }), 1).outcome).toBe('taken')
  })

  test('can be renumbered for a BMC that got stuck', () => {
    const { flow } = sent('abc')
    expect(repeated(renumbered(flow))).toMatchObject({ sequence: 2, data: Buffer.from('abc') })
  })

  test('keeps to its promises whatever packets come', () => {
    const anything = fc.record({
      sequence: fc.integer({ min: 0, max: 15 }),
      acknowledges: fc.integer({ min: 0, max: 15 }),
      accepted: fc.integer({ min: 0, max: 255 }),
      refused: fc.boolean(),
      unavailable: fc.boolean(),
      deactivating: fc.boolean(),
      overrun: fc.boolean(),
      breakDetected: fc.boolean(),
      data: text,
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(anything, fc.nat()), { maxLength: 60 }), (packets) => {
        let flow = enqueue(newSolFlow(28, false), Buffer.alloc(500, 'x'))
        for (const [packet, at] of packets) {
          const before = queuedBytes(flow)
          const received = receive(flow, packet, at)
          const next = nextPacket(received.flow, received.acknowledge)
          flow = next.flow
          expect(queuedBytes(flow)).toBeLessThanOrEqual(before)
          expect(next.packet?.data.length ?? 0).toBeLessThanOrEqual(28)
          if (next.launched) expect(next.packet?.sequence).toBeGreaterThan(0)
        }
      }),
    )
  })
})
