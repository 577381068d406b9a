/** Whether the BMC is alive and SOL still ours: which question to ask it, and what its answer means. No clock, no socket. */
import type { Command } from './command.ts'
import { getDeviceId } from './commands.ts'
import { isOneOf } from './sol-quirks.ts'
import {
  decodeActivationStatus,
  decodeInstanceInfo,
  encodeDeactivateRequest,
  encodeInstanceRequest,
  isMalformed,
  netFns,
  payloadCommands,
  payloadTypes,
  type Response,
} from './wire/index.ts'

/** The questions, the most telling first. Not every BMC knows the first two. */
const questions = ['owner', 'status', 'device'] as const
export type Question = (typeof questions)[number]

/** `proven`: the BMC has answered this question before, so that its silence means something. */
export type Watch = Readonly<{ question: Question; proven: boolean }>

export type Verdict =
  /** SOL is ours, as far as the question can tell. */
  | { kind: 'ours'; watch: Watch }
  /** The BMC does not know this question: ask the next one. */
  | { kind: 'ask again'; watch: Watch }
  | { kind: 'taken' }
  | { kind: 'ended' }

export function newWatch(mayAskOwner: boolean): Watch {
  return { question: mayAskOwner ? 'owner' : 'device', proven: false }
}

export const commandOf = (question: Question): Command => commands[question]

/** Reads the answer to the watch's question; `own` are the ids of our session. */
export function readAnswer(watch: Watch, response: Response, own: readonly number[]): Verdict {
  const ours: Verdict = { kind: 'ours', watch: watch.proven ? watch : { ...watch, proven: true } }
  if (watch.question === 'device') return ours
  // Busy, or out of time: alive, and no word on who has SOL.
  if (response.completionCode === 0xc0 || response.completionCode === 0xc3) return ours
  if (response.completionCode !== 0) return { kind: 'ask again', watch: nextQuestion(watch) }
  if (watch.question === 'owner') {
    const info = decodeInstanceInfo(response.data)
    if (isMalformed(info)) return { kind: 'ask again', watch: nextQuestion(watch) }
    if (isOneOf(info.sessionId, own)) return ours
    return { kind: info.sessionId === 0 ? 'ended' : 'taken' }
  }
  const status = decodeActivationStatus(response.data)
  if (isMalformed(status)) return { kind: 'ask again', watch: nextQuestion(watch) }
  return status.active & 1 ? ours : { kind: 'ended' }
}

/** What to ask a BMC that does not answer this. */
export function nextQuestion({ question }: Watch): Watch {
  return { question: questions[questions.indexOf(question) + 1] ?? 'device', proven: false }
}

export const solInstance = { type: payloadTypes.sol, instance: 1 } as const

export const getInstanceInfo: Command = {
  name: 'Get Payload Instance Info',
  netFn: netFns.app,
  command: payloadCommands.instanceInfo,
  data: [...encodeInstanceRequest(solInstance)],
}

export const deactivateSol: Command = {
  name: 'Deactivate Payload',
  netFn: netFns.app,
  command: payloadCommands.deactivate,
  data: [...encodeDeactivateRequest(solInstance)],
}

const commands: Readonly<Record<Question, Command>> = {
  owner: getInstanceInfo,
  status: {
    name: 'Get Payload Activation Status',
    netFn: netFns.app,
    command: payloadCommands.activationStatus,
    data: [solInstance.type],
  },
  device: getDeviceId,
}
