/** An active Serial over LAN: the flow of characters and the watch over it, on a session's socket and clock. */
import { IpmiError } from './errors.ts'
import type { Link } from './link.ts'
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
} from './sol-flow.ts'
import { farewell, leave } from './sol-leave.ts'
import type { Activation } from './sol-open.ts'
import type { Sol, SolOptions } from './sol-options.ts'
import type { SolQuirk } from './sol-quirks.ts'
import { commandOf, newWatch, nextQuestion, readAnswer } from './sol-watch.ts'
import type { Wheel } from './wheel.ts'
import { decodeResponse, decodeSolFromBmc, encodeSolToBmc, isMalformed, payloadTypes } from './wire/index.ts'

export type RunningSol = {
  sol: Sol
  /** Takes packets that came before it ran. */
  take(payload: Buffer, at: number): void
}

/** Runs SOL that has just been activated on the link. `ended` is called once, when it is closed or lost. */
export function runSol(
  link: Link,
  wheel: Wheel,
  { mostData, after }: Activation,
  options: SolOptions,
  quirks: ReadonlySet<SolQuirk>,
  ended: (farewell: Promise<void> | void) => void,
): RunningSol {
  const own = [link.bmcId, link.consoleId]
  const clear = options.encryption === false
  const keepAliveMs = options.keepAliveMs ?? 2_000
  const maxQueuedBytes = options.maxQueuedBytes ?? 65_536
  let flow: SolFlow = newSolFlow(mostData, quirks.has('solcharactercount'))
  let watch = newWatch(!quirks.has('solstatus'))
  let over = false
  /** In the middle of an incoming packet: what is written now goes out with its acknowledgement. */
  let taking = false

  let cancelRepeat = () => {}
  let launchedAtMs = 0
  let launches = 0
  let refusals = 0
  let roundTripMs = 50

  let cancelWatch = () => {}
  let question: number | undefined
  let askedAtMs = 0
  let asked = 0
  let ending = false

  const stop = () => {
    over = true
    cancelRepeat()
    cancelWatch()
    detachSol()
    detachIpmi()
  }

  const mayAskOwner = () => watch.question === 'owner' && watch.proven

  /** `give back`: SOL may still be ours. `leave`: it is not. `abandon`: nobody answers any more. */
  const lose = (error: IpmiError, manners: 'give back' | 'leave' | 'abandon') => {
    if (over) return
    stop()
    if (manners === 'give back') ended(leave(link, own, mayAskOwner()))
    else if (manners === 'leave') ended(farewell(link, false))
    else ended(link.abandon())
    options.onLost(error)
  }

  const transmit = (packet: Parameters<typeof encodeSolToBmc>[0]) => {
    link.send(payloadTypes.sol, encodeSolToBmc(packet), clear)
  }

  const flush = (acknowledge?: Acknowledgement) => {
    const next = nextPacket(flow, acknowledge)
    flow = next.flow
    if (next.packet !== undefined) transmit(next.packet)
    if (!next.launched) return
    launchedAtMs = performance.now()
    launches = 1
    cancelRepeat()
    cancelRepeat = wheel.after(repeatAfter(launches, roundTripMs), repeat)
  }

  const repeat = () => {
    const waitedMs = performance.now() - launchedAtMs
    const enough = launches >= fewestTries && waitedMs >= patienceMs
    // A BMC that says it cannot take characters is not deaf, and of one that does not answer the watch will tell.
    if (enough && !flow.held && question === undefined) return lose(deaf(), 'give back')
    // Perhaps nobody listens any more: who has SOL now?
    if (launches === 1) ask()
    if (quirks.has('solpacketseq') && waitedMs >= patienceMs / 2) flow = renumbered(flow)
    const packet = repeated(flow)
    if (packet === undefined) return
    transmit(packet)
    launches += 1
    cancelRepeat = wheel.after(repeatAfter(launches, roundTripMs), repeat)
  }

  /** The BMC gave characters back: it says when it can take more, or it is tried again after a while. */
  const waitHeld = () => {
    cancelRepeat()
    const waitMs = Math.min(2_000, 100 * 1.5 ** refusals) * (0.75 + Math.random() / 2)
    refusals += 1
    cancelRepeat = wheel.after(waitMs, () => {
      flow = unheld(flow)
      flush()
    })
  }

  const take = (payload: Buffer, at: number) => {
    const ofEarlierSol = after !== undefined && ((at - after) | 0) <= 0
    if (over || ofEarlierSol) return
    const packet = decodeSolFromBmc(payload)
    if (isMalformed(packet)) return
    const received = receive(flow, packet, at)
    flow = received.flow
    taking = true
    if (received.overrun) options.onNoted?.('overrun')
    if (received.breakDetected) options.onNoted?.('break')
    if (received.deliver !== undefined) {
      try {
        options.onData(received.deliver)
      } catch (error) {
        const lost = new IpmiError('session-lost', 'what the machine sent could not be recorded')
        lost.cause = error
        return lose(lost, 'give back')
      } finally {
        taking = false
      }
    }
    taking = false
    if (over) return
    if (received.outcome === 'taken') {
      cancelRepeat()
      refusals = 0
      if (launches === 1) roundTripMs = 0.8 * roundTripMs + 0.2 * (performance.now() - launchedAtMs)
    }
    flush(received.acknowledge)
    if (received.outcome === 'given back' && flow.flight === undefined) waitHeld()
    if (received.outcome === 'taken' && flow.flight === undefined && flow.items.length === 0) {
      options.onDrained?.()
    }
    if (received.deactivating && !over && !ending) {
      ending = true
      ask()
    }
  }

  /** Asks the BMC about itself now, unless that is under way. */
  const ask = (sinceMs = performance.now()) => {
    if (over || question !== undefined) return
    askedAtMs = sinceMs
    asked = 1
    question = link.ask(commandOf(watch.question))
    cancelWatch()
    cancelWatch = wheel.after(repeatAfter(asked, roundTripMs), askAgain)
  }

  const askAgain = () => {
    const now = performance.now()
    // Whatever else the BMC sends in this session proves that it lives: it may be only the answer that was lost.
    const silentMs = now - (ending ? askedAtMs : Math.max(askedAtMs, link.heardAtMs))
    const patience = ending ? endingMs : watch.proven ? patienceMs : patienceUnprovenMs
    if (asked >= fewestTries && (silentMs >= patience || now - askedAtMs >= mostPatienceMs)) {
      return lose(ending ? deactivated() : dead(), 'abandon')
    }
    if (!watch.proven && watch.question !== 'device' && asked >= triesUnproven) {
      // Some BMCs answer nothing to questions they do not know.
      question = undefined
      watch = nextQuestion(watch)
      return ask(askedAtMs)
    }
    asked += 1
    link.ask(commandOf(watch.question), question)
    cancelWatch = wheel.after(repeatAfter(asked, roundTripMs), askAgain)
  }

  const hear = (payload: Buffer) => {
    if (question === undefined || over) return
    const response = decodeResponse(payload)
    if (isMalformed(response)) return
    const { netFn, command } = commandOf(watch.question)
    if (response.sequence !== question || response.command !== command || response.netFn !== netFn) return
    question = undefined
    const verdict = readAnswer(watch, response, own)
    if (verdict.kind === 'taken') return lose(stolen(), 'leave')
    if (verdict.kind === 'ended' || (ending && verdict.kind === 'ours')) return lose(deactivated(), 'leave')
    watch = verdict.watch
    if (verdict.kind === 'ask again') return ask()
    cancelWatch()
    cancelWatch = wheel.after(keepAliveMs * (0.9 + Math.random() / 10), () => ask())
  }

  const detachSol = link.onPayload(payloadTypes.sol, take)
  const detachIpmi = link.onPayload(payloadTypes.ipmi, hear)
  ask()

  const sol: Sol = {
    sessionId: link.bmcId,
    get queued() {
      return queuedBytes(flow)
    },
    write(bytes) {
      if (over || queuedBytes(flow) + bytes.length > maxQueuedBytes) return false
      if (bytes.length === 0) return true
      flow = enqueue(flow, Buffer.from(bytes))
      if (!taking) flush()
      return true
    },
    sendBreak() {
      if (over || flow.items.filter((item) => item === 'break').length >= mostBreaks) return
      flow = enqueue(flow, 'break')
      if (!taking) flush()
    },
    async close() {
      if (over) return
      stop()
      const leaving = leave(link, own, mayAskOwner())
      ended(leaving)
      await leaving
    },
  }
  return { sol, take }
}

/** How long to wait after sending for the nth time. About 3.5 s pass before giving up, so 6 s with the keepalive. */
function repeatAfter(times: number, roundTripMs: number): number {
  const firstMs = Math.max(150, 2 * roundTripMs + 50)
  return Math.min(Math.max(700, firstMs), firstMs * 1.4 ** (times - 1)) * (0.9 + Math.random() / 5)
}

const patienceMs = 3_200
/** With a BMC that sends characters and does not answer commands. */
const mostPatienceMs = 12_000
/** After the process itself stood still, time alone proves nothing. */
const fewestTries = 4
/** All three questions together. */
const patienceUnprovenMs = 4_800
const triesUnproven = 5
/** How long a BMC that ended SOL may take to say who has it now. */
const endingMs = 1_000
const mostBreaks = 8

const stolen = () => new IpmiError('taken', 'another client has taken SOL; ask who, or open it with retake')
const deactivated = () =>
  new IpmiError('session-lost', 'SOL was ended by the BMC or by another client; open it again')
const dead = () =>
  new IpmiError('unreachable', 'it answered until now and does not any more; check the BMC and the network')
const deaf = () =>
  new IpmiError(
    'session-lost',
    'it answers commands but takes no characters; open SOL again, or reset the BMC',
  )
