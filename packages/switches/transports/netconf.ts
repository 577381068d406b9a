/** NETCONF over SSH (RFC 6242): one session, one request at a time, every wait bounded. */
import { setTimeout as sleep } from 'node:timers/promises'
import { SwitchError } from '../errors.ts'
import type { Session, SwitchTarget, Transport } from '../types.ts'
import { createDeframer, frame } from './netconf-framing.ts'
import {
  answers,
  base11,
  hello,
  type NetconfReply,
  type NetconfRequest,
  parseHello,
  replyTo,
  rpc,
} from './netconf-messages.ts'
import { openSubsystem, type Subsystem } from './ssh-subsystem.ts'
import { parseXml, writeXml, type XmlElement } from './xml.ts'

export type NetconfOptions = {
  /** Capabilities without which a change cannot be made safely: `candidate:1.0`. Of several versions, the start is enough. */
  requires: readonly string[]
  /** Bytes in one message from the switch; 32 MiB. */
  maxMessageBytes?: number
}

export function netconfTransport(options: NetconfOptions): Transport<NetconfRequest, NetconfReply> {
  return {
    name: 'netconf',
    connect: async (target, { timeoutMs }) => {
      const open = (timeLeftMs: number) => openChannel(options, target, timeLeftMs)
      return sessionOf(await open(timeoutMs), open)
    },
  }
}

/** A NETCONF session of the switch after both hellos. */
type Channel = { stream: Subsystem; wire: Wire; has: (capability: string) => boolean }

/** Junos also says the second, which is older than RFC 6241. */
const capabilityStarts = ['urn:ietf:params:netconf:capability:', 'urn:ietf:params:xml:ns:netconf:capability:']

async function openChannel(
  { requires, maxMessageBytes = 32 * 1024 * 1024 }: NetconfOptions,
  target: SwitchTarget,
  timeoutMs: number,
): Promise<Channel> {
  const deadline = Date.now() + timeoutMs
  const stream = await openSubsystem(target, { name: 'netconf', defaultPort: 830, timeoutMs })
  try {
    const wire = createWire(stream, maxMessageBytes)
    wire.say(hello())
    const greeting = parseHello(await wire.next(deadline - Date.now(), 'hello'))
    if (greeting === null)
      throw new SwitchError('unreachable', 'the switch did not begin with a NETCONF hello')
    const has = (name: string) =>
      greeting.capabilities.some((uri) => capabilityStarts.some((start) => uri.startsWith(`${start}${name}`)))
    const lacking = requires.filter((name) => !has(name))
    if (lacking.length > 0)
      throw new SwitchError(
        'invalid',
        `the switch's NETCONF lacks ${lacking.join(' and ')}, without which nothing is changed`,
      )
    if (greeting.capabilities.includes(base11)) wire.useChunks()
    return { stream, wire, has }
  } catch (error) {
    stream.destroy()
    throw error
  }
}

/** Whole messages both ways. What comes unasked waits; what cannot be understood breaks the connection. */
type Wire = {
  say: (message: XmlElement) => void
  next: (timeoutMs: number, waitingFor: string) => Promise<XmlElement>
  useChunks: () => void
}

function createWire(stream: Subsystem, maxBytes: number): Wire {
  const arrived: XmlElement[] = []
  let chunked = false
  let broken: SwitchError | undefined
  let wake: (() => void) | undefined
  const deframer = createDeframer({
    maxBytes,
    onMessage: (text) => {
      const message = parseXml(text.trimStart())
      // Chunks begin right after the hello of the side that knows them, if we know them too; we do.
      if (parseHello(message)?.capabilities.includes(base11)) deframer.useChunks()
      if (message.name !== 'notification') arrived.push(message)
    },
  })
  const end = (error: SwitchError) => {
    broken ??= error
    wake?.()
  }
  stream.onData((data) => {
    if (broken) return
    try {
      deframer.push(data)
    } catch (error) {
      end(error as SwitchError)
      stream.destroy()
    }
    wake?.()
  })
  stream.onEnd((why) => end(new SwitchError('unreachable', why)))
  return {
    useChunks: () => {
      chunked = true
    },
    say: (message) =>
      stream.write(frame(`<?xml version="1.0" encoding="UTF-8"?>${writeXml(message)}`, chunked)),
    next: (timeoutMs, waitingFor) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const message = arrived.shift()
          if (message === undefined && broken === undefined) return
          clearTimeout(timer)
          wake = undefined
          if (message === undefined) reject(broken)
          else resolve(message)
        }
        const timer = setTimeout(() => {
          wake = undefined
          reject(new SwitchError('timeout', `no answer to ${waitingFor} within ${Math.max(0, timeoutMs)} ms`))
        }, timeoutMs)
        wake = look
        look()
      }),
  }
}

/**
 * A server that reads our hello and a question at once may forget the question (netconfd does, when the machine is busy).
 * So the first question of a session is waited for that share of the time that is left, and then asked in a new session,
 * which is given that long to read our hello.
 */
const firstTries = [
  { share: 0.1, helloMs: 250 },
  { share: 0.25, helloMs: 1_000 },
]
/** Asked before what must not be asked twice. An empty filter selects nothing (RFC 6241, 6.4.2). */
const harmless: NetconfRequest = {
  line: 'a first question',
  operation: { do: 'get-config', source: 'running', filter: [] },
}

function sessionOf(
  first: Channel,
  open: (timeoutMs: number) => Promise<Channel>,
): Session<NetconfRequest, NetconfReply> {
  let { stream, wire, has } = first
  let proven = false
  let closed = false
  let lastId = 0
  /** Until when a confirmed commit of this session surely waits for its confirmation. */
  let runsUntil = 0
  const locks = new Set<string>()
  let lockRefused = false

  async function exchange(request: NetconfRequest, deadline: number): Promise<NetconfReply> {
    const id = String(++lastId)
    const asked = Date.now()
    wire.say(rpc(request.operation, id))
    const answer = await wire.next(deadline - asked, request.line)
    if (!answers(answer, id))
      throw new SwitchError('unreachable', `the answer to "${request.line}" is that of another message`, {
        line: request.line,
      })
    proven = true
    const reply = replyTo(request, answer)
    const { operation, clock } = request
    if (operation.do === 'lock') lockRefused = reply.errors.length > 0
    if (reply.errors.length > 0) return reply
    if (operation.do === 'lock') locks.add(operation.target)
    if (operation.do === 'unlock') locks.delete(operation.target)
    // A part of the time is left out, so that a confirmation on its way is not overtaken by the end of it.
    if (typeof clock === 'number') runsUntil = asked + clock * 900
    if (clock === 'confirm' || clock === 'stop') runsUntil = 0
    return reply
  }

  /** The first question of a session, which may get lost. */
  async function askFirst(request: NetconfRequest, deadline: number): Promise<NetconfReply> {
    for (const { share, helloMs } of firstTries) {
      const patience = (deadline - Date.now()) * share
      try {
        return await exchange(request, Date.now() + patience)
      } catch (error) {
        if (!(error instanceof SwitchError) || error.code !== 'timeout') throw error
        stream.destroy()
        ;({ stream, wire, has } = await open(deadline - Date.now()))
        if (closed) stream.destroy()
        await sleep(Math.min(helloMs, (deadline - Date.now()) / 4))
      }
    }
    return exchange(request, deadline)
  }

  function skips(
    { operation, ifCapable, only, clock, patient, underLock }: NetconfRequest,
    earlier: readonly NetconfReply[],
  ): boolean {
    if (operation.do === 'lock' && locks.has(operation.target)) return true
    if (patient && lockRefused) return true
    if (underLock && locks.size === 0) return true
    if (ifCapable !== undefined && !has(ifCapable)) return true
    if (clock === 'unless-running' && runsUntil > 0) return true
    return only !== undefined && !only(earlier)
  }

  async function one(
    request: NetconfRequest,
    earlier: readonly NetconfReply[],
    deadline: number,
  ): Promise<NetconfReply> {
    if (skips(request, earlier)) {
      if (request.clock === 'stop') runsUntil = 0
      return replyTo(request, null)
    }
    if (request.clock === 'confirm' && Date.now() > runsUntil) return lateConfirmation(request)
    if (!proven) {
      if (request.operation.do.startsWith('get')) return askFirst(request, deadline)
      await askFirst(harmless, deadline)
    }
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
      const reply = await exchange(request, deadline)
      const locked = reply.errors.some(({ tag }) => tag === 'lock-denied' || tag === 'in-use')
      if (!request.patient || !locked || Date.now() + pauseMs > deadline - 250) return reply
      await sleep(pauseMs)
    }
  }

  return {
    alive: () => stream.alive(),
    close: async () => {
      // The switch lets go of locks and takes back what was not confirmed when the connection is gone.
      closed = true
      stream.destroy()
    },
    send: async (requests, goOn, { timeoutMs }) => {
      const deadline = Date.now() + timeoutMs
      const replies: NetconfReply[] = []
      for (const request of requests) {
        try {
          replies.push(await one(request, replies, deadline))
        } catch (error) {
          // Whatever comes later would be the answer to something else.
          stream.destroy()
          throw error
        }
        if (!goOn(replies.at(-1) as NetconfReply)) break
      }
      return replies
    },
  }
}

function lateConfirmation(request: NetconfRequest): NetconfReply {
  const message = 'the time to confirm the commit is over; the switch has gone or goes back to what was'
  const error = { severity: 'error', tag: 'operation-failed', message, path: '' } as const
  return { ...replyTo(request, null), errors: [error], text: message }
}
