/** A switch's command line over SSH: one shell, kept open, that knows prompt, echo and pager. */
import { Socket } from 'node:net'
import ssh2, { type ClientChannel } from 'ssh2'
import { SwitchError } from '../errors.ts'
import type { Session, SwitchTarget, Transport } from '../types.ts'
import type { CliReply, CliRequest } from './cli.ts'
import { hostKeyCheck } from './host-key.ts'
import { createScreen, type Screen } from './screen.ts'

/** What differs between vendors' shells; no language. */
export type ShellProfile = {
  /** Matches what follows the host name in a prompt: `(config-if)#`. */
  promptTail: RegExp
  /** Said after login: no pager, wide lines. A refusal is no error. */
  prepare: readonly string[]
  enterConfigure: string
  leaveConfigure: string
  pager: RegExp
  /** Questions that a command may ask, and what to answer. */
  questions: readonly { asks: RegExp; answer: string }[]
  jsonSuffix: string
}

export function shellTransport(profile: ShellProfile): Transport<CliRequest, CliReply> {
  return { name: 'ssh', connect: (target, options) => connect(profile, target, options.timeoutMs) }
}

async function connect(
  profile: ShellProfile,
  target: SwitchTarget,
  timeoutMs: number,
): Promise<Session<CliRequest, CliReply>> {
  const client = new ssh2.Client()
  const deadline = AbortSignal.timeout(timeoutMs)
  const socket = new Socket()
  socket.setNoDelay(true)
  try {
    const channel = await login(client, socket, target, timeoutMs, deadline)
    const screen = createScreen(channel, profile)
    await screen.begin(deadline)
    for (const line of profile.prepare) await screen.run(line, deadline)
    return sessionOf(client, screen, profile)
  } catch (error) {
    client.destroy()
    socket.destroy()
    throw error
  }
}

function sessionOf(
  client: ssh2.Client,
  screen: Screen,
  profile: ShellProfile,
): Session<CliRequest, CliReply> {
  let configuring = false
  const enter = async (mode: CliRequest['mode'], signal: AbortSignal) => {
    if (configuring === (mode === 'configure')) return
    await screen.run(mode === 'configure' ? profile.enterConfigure : profile.leaveConfigure, signal)
    configuring = mode === 'configure'
  }
  return {
    alive: screen.alive,
    close: async () => {
      screen.end()
      client.end()
      client.destroy()
    },
    send: async (requests, goOn, { timeoutMs }) => {
      const signal = AbortSignal.timeout(timeoutMs)
      const replies: CliReply[] = []
      for (const request of requests) {
        await enter(request.mode, signal)
        const text = await screen.run(
          request.json ? `${request.line}${profile.jsonSuffix}` : request.line,
          signal,
        )
        const { line, mode, port } = request
        const reply: CliReply = { line, mode, text, ...(port === undefined ? {} : { port }) }
        replies.push(reply)
        if (!goOn(reply)) break
      }
      await enter('exec', signal)
      return replies
    },
  }
}

function login(
  client: ssh2.Client,
  socket: Socket,
  target: SwitchTarget,
  timeoutMs: number,
  deadline: AbortSignal,
): Promise<ClientChannel> {
  const { address, port = 22, username = '', password, privateKey, trust } = target
  const where = `${address}:${port}`
  const check = hostKeyCheck(trust)
  return new Promise((resolve, reject) => {
    const fail = (code: 'unreachable' | 'auth' | 'host-key' | 'timeout', why: string, cause?: unknown) =>
      reject(new SwitchError(code, `${where}: ${why}`, { cause }))
    const late = () => fail('timeout', `no login within ${timeoutMs} ms`)
    deadline.addEventListener('abort', late, { once: true })
    socket.on('error', (error) => fail('unreachable', error.message, error))
    client.on('error', (error: Error & { level?: string }) => {
      if (check.refused !== null) fail('host-key', check.refused)
      else if (error.level === 'client-authentication')
        fail('auth', `the switch does not accept user ${username}`)
      else fail('unreachable', error.message, error)
    })
    client.on('close', () => fail('unreachable', 'the switch closed the connection'))
    client.on('keyboard-interactive', (_name, _text, _language, prompts, finish) =>
      finish(prompts.map(() => password ?? '')),
    )
    client.on('ready', () =>
      client.shell({ cols: 511, rows: 1_000, term: 'vt100' }, (error, channel) => {
        if (error) fail('unreachable', `no shell: ${error.message}`, error)
        else resolve(channel)
      }),
    )
    socket.connect(port, address)
    client.connect({
      sock: socket,
      username,
      ...(password === undefined ? {} : { password }),
      ...(privateKey === undefined ? {} : { privateKey }),
      tryKeyboard: password !== undefined,
      readyTimeout: timeoutMs,
      keepaliveInterval: 15_000,
      hostVerifier: check.accept,
    })
  })
}
