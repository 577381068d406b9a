/** Opening a session on a socket: rounds, silence and what it may mean, and a port of its own where that helps. */
import { randomBytes } from 'node:crypto'
import { getChannelAuthentication, readChannelAuthentication, setSessionPrivilege } from './commands.ts'
import { converse, pause, type Verdict } from './converse.ts'
import { completionError, IpmiError } from './errors.ts'
import { advanceHandshake, beginHandshake, type Handshake, type HandshakeStep } from './handshake.ts'
import { busyPause, createLink, type Link, type LinkSettings, unreadable } from './link.ts'
import { type Account, privilegeLevels } from './target.ts'
import type { Peer, Transport } from './transport.ts'
import { decodeResponse, encodePlain, encodeRequest, isMalformed, payloadTypes } from './wire/index.ts'

/**
 * Opens a session at the account's privilege level. Starts over when the BMC loses track or has no free session,
 * at most three times.
 *
 * @throws IpmiError saying why there is none; the signal's reason when it fires
 */
export async function openLink(
  account: Account,
  peer: Peer,
  transport: Transport,
  settings: LinkSettings,
  signal: AbortSignal,
): Promise<Link> {
  const heard: Heard = {}
  try {
    for (let round = 1; ; round += 1) {
      try {
        const link = await shakeHands(account, peer, transport, settings, signal, heard)
        try {
          await raisePrivilege(link, account, settings, signal)
          return link
        } catch (error) {
          link.abandon()
          throw error
        }
      } catch (error) {
        const again = error instanceof IpmiError && (error.code === 'busy' || error.code === 'session-lost')
        if (!again) throw error
        if (round > 3)
          throw error.code === 'session-lost' && heard.garbage !== undefined ? silence(heard) : error
        heard.refusal = error
        await pause(busyPause(settings, round), signal)
      }
    }
  } catch (error) {
    const outOfTime = error instanceof IpmiError && error.code === 'timeout'
    throw outOfTime ? (heard.refusal ?? silence(heard)) : error
  }
}

/** Some BMCs do not answer the login of a user they do not know. */
function fellSilent({ awaits, account }: Handshake): IpmiError {
  const user = JSON.stringify(account.username.toString())
  const advice = awaits === 'RAKP message 2' ? `check that user ${user} exists, or try again` : 'try again'
  return new IpmiError('session-lost', `the BMC answered, but not with ${awaits}; ${advice}`)
}

/** What is known of a BMC that has not opened a session yet. */
type Heard = { anything?: boolean; garbage?: string; plain?: Buffer; refusal?: IpmiError }

/** `release`: gives the transport back, which then is one that this session alone has. */
async function shakeHands(
  account: Account,
  peer: Peer,
  transport: Transport,
  settings: LinkSettings,
  signal: AbortSignal,
  heard: Heard,
  release?: () => void,
): Promise<Link> {
  const consoleId = freeSessionId(transport)
  let handshake = beginHandshake(account, consoleId, randomBytes(16), randomBytes(1).readUInt8(0))
  let judging: ((type: number, payload: Buffer) => void) | undefined
  const detach = transport.attach(consoleId, {
    peer,
    onHandshake: (type, payload) => judging?.(type, payload),
    onSession: () => {},
  })
  const unwatch = transport.watch(peer, {
    onShortAnswer: (type, payload) => judging?.(type, payload),
    onGarbage: (reason) => {
      heard.garbage = reason
    },
    onPlain: (packet) => {
      heard.plain = Buffer.from(packet.payload)
      judging?.(payloadTypes.ipmi, packet.payload)
    },
  })
  const elsewhere = async (): Promise<Link> => {
    const spare = transport.spare()
    const giveBack = () => void spare.close()
    try {
      return await shakeHands(account, peer, spare, settings, signal, heard, giveBack)
    } catch (error) {
      giveBack()
      throw error
    }
  }
  try {
    for (;;) {
      const step = await converse<DecisiveStep>({
        send: sender(handshake, peer, transport, release === undefined),
        listen: (judge) => {
          judging = judge
          return () => {
            judging = undefined
          }
        },
        judge: (type, payload) => {
          const shared = release === undefined && handshake.awaits === 'open session response'
          if (shared && type === payloadTypes.ipmi) return ipmi20In(payload) ? { refused: deaf } : undefined
          return judgeStep(advanceHandshake(handshake, type, payload), heard)
        },
        patience:
          handshake.awaits === 'open session response'
            ? settings
            : { ...settings, tries: Math.min(3, settings.tries) },
        signal,
        graceMs: settings.graceMs,
      })
      if (step === undefined) {
        if (handshake.awaits === 'open session response') throw silence(heard)
        throw fellSilent(handshake)
      }
      if (step.kind === 'failed') {
        if (step.farewell !== undefined) transport.send(peer, step.farewell)
        throw step.error
      }
      if (step.kind === 'deaf') return await elsewhere()
      if (step.kind === 'established') {
        detach()
        return createLink(step.session, peer, transport, release)
      }
      handshake = step.handshake
    }
  } finally {
    detach()
    unwatch()
  }
}

/**
 * It is there, and opens no session to our port: some know a session by the port that it comes from, and answer within
 * one that is over (pyghmi's BMC). They will to another port.
 */
const deaf = { kind: 'deaf' } as const

type DecisiveStep = Extract<HandshakeStep, { kind: 'next' | 'established' | 'failed' }> | typeof deaf

function judgeStep(step: HandshakeStep, heard: Heard): Verdict<DecisiveStep> {
  if (step.kind === 'ignored') return undefined
  heard.anything = true
  if (step.kind === 'malformed') {
    heard.garbage = step.reason
    return undefined
  }
  return step.kind === 'failed' ? { refused: step } : { accepted: step }
}

/** Sends the handshake's datagram; after an Open Session without answer also asks, now and then, for IPMI 2.0 at all. */
function sender(handshake: Handshake, peer: Peer, transport: Transport, discovers: boolean): () => void {
  let sent = 0
  const { netFn, command, data = [] } = getChannelAuthentication
  return () => {
    transport.send(peer, handshake.datagram)
    sent += 1
    const isDue = sent === 2 || sent === 3 || sent % 8 === 0
    if (!isDue || !discovers || handshake.awaits !== 'open session response') return
    const question = encodeRequest({ netFn, command, data, sequence: sent })
    transport.sendPlain(peer, encodePlain(question))
  }
}

/** What a BMC says of itself when it is asked outside of a session; undefined for anything else. */
function ipmi20In(plain: Buffer): boolean | undefined {
  const answer = decodeResponse(plain)
  return isMalformed(answer) ? undefined : readChannelAuthentication(answer.data)?.ipmi20
}

/** The error for a BMC that opened no session and did not say why. */
function silence(heard: Heard): IpmiError {
  const ipmi20 = heard.plain && ipmi20In(heard.plain)
  if (ipmi20 === false) {
    const words = 'it speaks only IPMI 1.5; enable IPMI 2.0 (lanplus) or update its firmware'
    return new IpmiError('unsupported', words)
  }
  if (ipmi20) {
    const words = 'it answers discovery but opens no session; reset the BMC if this stays so'
    return new IpmiError('unreachable', words)
  }
  if (heard.garbage !== undefined) {
    const words = `its answers cannot be read (${heard.garbage}); check that a BMC listens there, or reset it`
    return new IpmiError('malformed', words)
  }
  if (heard.anything) return new IpmiError('timeout', 'it answers, but too slowly to open a session in time')
  const words = 'no answer; check its address and port, the network, and that IPMI over LAN is enabled'
  return new IpmiError('unreachable', words)
}

/** A new session may do what USER may; anything above must be asked for (22.18). */
async function raisePrivilege(
  link: Link,
  account: Account,
  settings: LinkSettings,
  signal: AbortSignal,
): Promise<void> {
  const level = privilegeLevels[account.privilege]
  if (level <= privilegeLevels.USER) return
  const command = setSessionPrivilege(level)
  const reply = await link.exchange(command, settings, signal)
  if (reply === undefined && link.garbled !== undefined) throw unreadable(command, link.garbled)
  if (reply === undefined) throw new IpmiError('session-lost', 'the new session does not answer; try again')
  if (reply.completionCode === 0x80 || reply.completionCode === 0x81) {
    const words = `user ${JSON.stringify(account.username.toString())} may not have privilege level ${account.privilege}`
    throw new IpmiError(
      'insufficient-privilege',
      `${words}; ask for a lower one or raise the user’s limit in the BMC`,
    )
  }
  if (reply.completionCode !== 0) throw completionError(command.name, reply.completionCode)
}

function freeSessionId(transport: Transport): number {
  for (;;) {
    const id = randomBytes(4).readUInt32LE()
    if (!transport.isTaken(id)) return id
  }
}
