/** What the tables of a simulated BMC's commands are written in. */
import type { ActiveSession, SessionTable } from './bmc-sessions.ts'
import type { BmcSol } from './bmc-sol.ts'
import type { Faults } from './faults.ts'
import type { Machine } from './machine.ts'

export type CommandContext = {
  machine: Machine
  sessions: SessionTable
  /** Absent outside a session. */
  session: ActiveSession | undefined
  sol: BmcSol
  faults: Faults
  /** The UDP port it is reached by. */
  port: number
  kgSet: boolean
  maxSessions: number
  stuckPower: boolean
  /** Forgets all sessions, as a reset of the BMC does, once the answer is out. */
  restart(): void
}

export type Answer = { completionCode: number; data: Buffer }

export type Known = {
  /** 0: also outside a session; 1 CALLBACK, 2 USER, 3 OPERATOR, 4 ADMINISTRATOR. */
  privilege: 0 | 1 | 2 | 3 | 4
  /** Bytes of data it cannot do without. */
  atLeast?: number
  /** Undefined: no answer at all. */
  run: (context: CommandContext, data: Buffer) => Answer | undefined
}

export const give = (...data: readonly number[]): Answer => ({ completionCode: 0, data: Buffer.from(data) })
export const refuse = (completionCode: number): Answer => ({ completionCode, data: Buffer.alloc(0) })

export const lanChannel = 1

/** 0Eh is "the channel this came by". */
export const isOurChannel = (byte: number): boolean => (byte & 0x0f) === 0x0e || (byte & 0x0f) === lanChannel
