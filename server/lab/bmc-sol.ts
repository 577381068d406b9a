/** Serial over LAN in a simulated BMC: who has it, its packets on the session's way, and its answers (IPMI 2.0, 15 and 24). */
import { decodeSolToBmc, encodeSolFromBmc, isMalformed, type SolFromBmc } from '@leasehold/ipmi/wire'
import type { ActiveSession } from './bmc-sessions.ts'
import { type BmcFlow, createBmcFlow } from './bmc-sol-flow.ts'
import type { Faults } from './faults.ts'
import type { BmcPort } from './serial.ts'

export type BmcSol = {
  readonly settings: SolSettings
  /** Gives SOL to a session; false if another has it. */
  activate(session: ActiveSession, encrypted: boolean): boolean
  /** Takes SOL from whoever has it; false if nobody has. `tell`: the one who had it is told. */
  deactivate(tell: boolean): boolean
  /** The BMC's and the console's id of the session that has SOL. */
  owner(): { bmcId: number; consoleId: number } | undefined
  /** Takes a packet of a session. */
  receive(session: ActiveSession, payload: Buffer, at: number): void
  /** Says that a session is over. */
  sessionEnded(session: ActiveSession, why: 'closed' | 'expired'): void
  /** Has somebody who does not exist take SOL, as another client on another computer would; gives that one's id. */
  steal(tell: boolean): number
  clear(): void
}

/** SOL configuration parameters as bytes (table 26-5), by their numbers. */
export type SolSettings = Map<number, Buffer>

/** Payload sizes, SOL's header included. */
export const solSizes = { inbound: 200, outbound: 200 } as const

type Owner = {
  bmcId: number
  consoleId: number
  /** Absent for the one who does not exist. */
  session?: ActiveSession
  flow: BmcFlow
  encrypted: boolean
  tries: number
  timer?: NodeJS.Timeout | undefined
}

export function createBmcSol(
  port: BmcPort,
  faults: Faults,
  send: (session: ActiveSession, payload: Buffer, clear: boolean) => void,
): BmcSol {
  const settings = defaultSettings()
  let owner: Owner | undefined
  /** Sessions that had SOL and lost it to others. */
  const former = new Set<number>()

  const transmit = (to: Owner, packet: SolFromBmc) => {
    if (to.session !== undefined) send(to.session, encodeSolFromBmc(packet), !to.encrypted)
  }

  const flush = (to: Owner) => {
    const next = to.flow.next()
    if (next === undefined) return
    transmit(to, next.packet)
    if (!next.launched) return
    to.tries = 1
    waitForAnswer(to)
  }

  const waitForAnswer = (to: Owner) => {
    clearTimeout(to.timer)
    to.timer = setTimeout(() => sendAgain(to), retryEveryMs(settings)).unref()
  }

  const sendAgain = (to: Owner) => {
    if (to.tries > retries(settings)) {
      port.lose(to.flow.giveUp())
      flush(to)
      return
    }
    const packet = to.flow.repeat(faults.find('sol-grows') !== undefined)
    if (packet === undefined) return
    transmit(to, packet)
    to.tries += 1
    waitForAnswer(to)
  }

  const install = (who: Pick<Owner, 'bmcId' | 'consoleId' | 'session' | 'encrypted'>) => {
    const miscount = () => faults.find('sol-miscount')?.accepted
    const mine: Owner = { ...who, flow: createBmcFlow(solSizes.outbound - 4, miscount), tries: 0 }
    owner = mine
    port.connect({
      output(bytes) {
        mine.flow.output(bytes)
        // In the middle of a packet that came in, the answer to that takes it along.
        if (!receiving) flush(mine)
      },
      breakDetected() {
        mine.flow.breakDetected()
        if (!receiving) flush(mine)
      },
      ready: () => transmit(mine, mine.flow.ready()),
    })
  }
  let receiving = false

  const deactivate = (tell: boolean): boolean => {
    if (owner === undefined) return false
    const had = owner
    owner = undefined
    clearTimeout(had.timer)
    port.connect(undefined)
    port.lose(had.flow.queued)
    if (tell) transmit(had, { ...had.flow.ready(), deactivating: true })
    if (had.session !== undefined) former.add(had.bmcId)
    return true
  }

  return {
    settings,
    activate(session, encrypted) {
      if (owner !== undefined) return false
      install({ bmcId: session.bmcId, consoleId: session.consoleId, session, encrypted })
      return true
    },
    deactivate,
    owner: () => owner && { bmcId: owner.bmcId, consoleId: owner.consoleId },
    receive(session, payload, at) {
      if (owner?.session !== session) return
      const mine = owner
      const packet = decodeSolToBmc(payload)
      if (isMalformed(packet)) return
      if (packet.sequence !== 0 && faults.find('sol-deaf')) return
      if (packet.sequence !== 0 && packet.sequence === faults.find('sol-sticks')?.sequence) return
      const { input, break: broke, taken } = mine.flow.receive(packet, at, port.room())
      receiving = true
      if (taken.length > 0) port.taken(taken)
      if (input.length > 0) port.input(input)
      if (broke) port.inputBreak()
      receiving = false
      if (mine.flow.landed) clearTimeout(mine.timer)
      // What the machine did about it may have ended SOL.
      if (owner === mine) flush(mine)
    },
    sessionEnded({ bmcId }, why) {
      const had = former.delete(bmcId)
      const kills = had && why === 'expired' && faults.find('sol-old-session') !== undefined
      if (owner?.bmcId === bmcId || kills) deactivate(false)
      former.delete(bmcId)
    },
    steal(tell) {
      deactivate(tell)
      phantoms += 1
      install({ bmcId: phantoms, consoleId: phantoms, encrypted: true })
      return phantoms
    },
    clear() {
      deactivate(false)
      former.clear()
    },
  }
}

let phantoms = 0x5000_0000

const retries = (settings: SolSettings): number => (settings.get(4)?.[0] ?? 7) & 7
const retryEveryMs = (settings: SolSettings): number => Math.max(1, settings.get(4)?.[1] ?? 10) * 10

function defaultSettings(): SolSettings {
  return new Map([
    [0, Buffer.from([0])], // set in progress
    [1, Buffer.from([1])], // enabled
    [2, Buffer.from([0xc2])], // encrypted, authenticated, for USER and above
    [3, Buffer.from([1, 0])], // how long characters are gathered, and how many
    [4, Buffer.from([7, 20])], // tries again, and how many times 10 ms between them
    [5, Buffer.from([10])], // 115.2 kbit/s
    [6, Buffer.from([10])],
    [7, Buffer.from([payloadChannel])],
  ])
}

const payloadChannel = 1
