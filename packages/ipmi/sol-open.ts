/** Getting SOL on an open session: asking for it, and taking it from whoever has it (IPMI 2.0, 24.1 and 24.2). */
import type { Command, Reply } from './command.ts'
import { closeSession } from './commands.ts'
import type { Patience } from './converse.ts'
import { completionError, IpmiError } from './errors.ts'
import { type Link, unreadable } from './link.ts'
import type { SolOptions } from './sol-options.ts'
import { charactersPerPacket, isOneOf, isSessionPort, type SolQuirk } from './sol-quirks.ts'
import { deactivateSol, getInstanceInfo, solInstance } from './sol-watch.ts'
import {
  decodeActivateResponse,
  decodeInstanceInfo,
  encodeActivateRequest,
  isMalformed,
  netFns,
  payloadCommands,
  payloadCompletion,
} from './wire/index.ts'

/**
 * What a new SOL is: how many characters fit into a packet to the BMC, and the number of the datagram up to which
 * packets belong to an earlier one of the same session.
 */
export type Activation = { mostData: number; after: number | undefined }

/**
 * Activates SOL.
 *
 * @throws IpmiError 'taken' when somebody else has it and is not to be disturbed; others that say what to do
 */
export async function activateSol(
  link: Link,
  port: number,
  options: SolOptions,
  quirks: ReadonlySet<SolQuirk>,
  patience: Patience,
  signal: AbortSignal,
): Promise<Activation> {
  const own = [link.bmcId, link.consoleId]
  const { previousSessionId = 0 } = options
  const attempt = async (command: Command): Promise<Reply> => {
    const reply = await link.exchange(command, patience, signal)
    if (reply !== undefined) return reply
    if (link.garbled !== undefined) throw unreadable(command, link.garbled)
    throw new IpmiError(
      'session-lost',
      `the session fell silent at ${command.name}; try again, or reset the BMC`,
    )
  }
  /** Some BMCs do not answer at all what they do not know: no answer is no error here. */
  const tryOut = (command: Command) =>
    link.exchange(command, { ...patience, tries: Math.min(3, patience.tries) }, signal)

  if (previousSessionId !== 0 && !own.includes(previousSessionId))
    await tryOut(closeSession(previousSessionId))
  const activate: Command = {
    name: 'Activate Payload',
    netFn: netFns.app,
    command: payloadCommands.activate,
    data: [
      ...encodeActivateRequest({
        ...solInstance,
        encrypted: options.encryption !== false,
        authenticated: true,
        serialAlerts: quirks.has('serialalertsdeferred') ? 1 : 0,
        holdLines: false,
      }),
    ],
  }
  let after: number | undefined
  for (let round = 1; ; round += 1) {
    const startedAtMs = performance.now()
    const { completionCode, data } = await attempt(activate)
    if (completionCode === 0) return { mostData: readActivation(data, port, quirks), after }
    if (completionCode !== payloadCompletion.alreadyActive) throw refusal(completionCode)
    const repeated = performance.now() - startedAtMs >= patience.replyTimeoutMs / 2
    const owner = quirks.has('solstatus') ? undefined : await ownerOf(tryOut)
    // Ours: the answer to an earlier request was lost, or an earlier process left it behind.
    const ours = owner === undefined ? repeated : isOneOf(owner, [0, ...own, previousSessionId])
    if (!ours && options.whenTaken === 'yield') throw takenBy(owner)
    if (round >= rounds) throw takenBy(owner)
    await attempt(deactivateSol)
    after = link.newestAt
    const closesOwner = owner !== undefined && owner !== 0 && !isOneOf(owner, own)
    if (closesOwner && (owner === previousSessionId || quirks.has('solcloseowner'))) {
      await tryOut(closeSession(owner))
    }
  }
}

const rounds = 4

async function ownerOf(
  tryOut: (command: Command) => Promise<Reply | undefined>,
): Promise<number | undefined> {
  const reply = await tryOut(getInstanceInfo)
  if (reply?.completionCode !== 0) return undefined
  const info = decodeInstanceInfo(reply.data)
  return isMalformed(info) ? undefined : info.sessionId
}

function readActivation(data: Buffer, port: number, quirks: ReadonlySet<SolQuirk>): number {
  const activation = decodeActivateResponse(data)
  if (isMalformed(activation)) {
    throw new IpmiError('malformed', `${activation.malformed}; update or reset the BMC`)
  }
  if (!quirks.has('solport') && !isSessionPort(activation.port, port)) {
    const words = `it wants SOL on UDP port ${activation.port} instead of the session’s ${port}`
    throw new IpmiError(
      'unsupported',
      `${words}; set its SOL port to that, or use quirk solport if it is mistaken`,
    )
  }
  return charactersPerPacket(activation.inboundSize, quirks)
}

function takenBy(owner: number | undefined): IpmiError {
  const who = owner === undefined ? 'another session' : `session 0x${owner.toString(16).padStart(8, '0')}`
  const words = `SOL is active for ${who} of this BMC`
  return new IpmiError(
    'taken',
    `${words}; end that one, or open with retake`,
    payloadCompletion.alreadyActive,
  )
}

function refusal(completionCode: number): IpmiError {
  const known = refusals[completionCode]
  if (known === undefined) return completionError('Activate Payload', completionCode)
  const hex = `0x${completionCode.toString(16)}`
  const words = `Activate Payload was refused with completion code ${hex} (${known.words}); ${known.advice}`
  return new IpmiError(known.code, words, completionCode)
}

const refusals: Readonly<
  Record<number, { code: 'command-failed' | 'busy' | 'unsupported'; words: string; advice: string }>
> = {
  [payloadCompletion.disabled]: {
    code: 'command-failed',
    words: 'SOL is disabled',
    advice: 'enable SOL in the BMC (ipmitool sol set enabled true), or turn the machine on if it must be on',
  },
  [payloadCompletion.tooMany]: {
    code: 'busy',
    words: 'no more payloads can be active',
    advice: 'end SOL of others, or reset the BMC',
  },
  [payloadCompletion.notWithEncryption]: {
    code: 'unsupported',
    words: 'SOL cannot be encrypted',
    advice: 'allow encryption in the BMC’s SOL settings, or open without it',
  },
  [payloadCompletion.notWithoutEncryption]: {
    code: 'unsupported',
    words: 'SOL must be encrypted',
    advice: 'open with encryption',
  },
}
