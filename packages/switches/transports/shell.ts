/** A switch's command line over SSH: one shell, kept open, that knows prompt, echo and pager. */
import type ssh2 from 'ssh2'
import type { ClientChannel } from 'ssh2'
import { SwitchError } from '../errors.ts'
import type { Session, SwitchTarget, Transport } from '../types.ts'
import type { CliReply, CliRequest } from './cli.ts'
import { createScreen, type Screen } from './screen.ts'
import { connectSsh } from './ssh.ts'

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
  const deadline = AbortSignal.timeout(timeoutMs)
  const client = await connectSsh(target, timeoutMs)
  try {
    const screen = createScreen(await shellOf(client), profile)
    await screen.begin(deadline)
    for (const line of profile.prepare) await screen.run(line, deadline)
    return sessionOf(client, screen, profile)
  } catch (error) {
    client.destroy()
    throw error
  }
}

function shellOf(client: ssh2.Client): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new SwitchError('unreachable', 'the switch closed the connection'))
    client.once('close', gone)
    client.shell({ cols: 511, rows: 1_000, term: 'vt100' }, (error, channel) => {
      client.off('close', gone)
      if (error) reject(new SwitchError('unreachable', `no shell: ${error.message}`, { cause: error }))
      else resolve(channel)
    })
  })
}

function sessionOf(
  client: ssh2.Client,
  screen: Screen,
  profile: ShellProfile,
): Session<CliRequest, CliReply> {
  let configuring = false
  let outside = screen.prompt()
  const enter = async (mode: CliRequest['mode'], signal: AbortSignal) => {
    const wanted = mode === 'configure'
    if (configuring === wanted) return
    if (wanted) outside = screen.prompt()
    const line = wanted ? profile.enterConfigure : profile.leaveConfigure
    const reply = await screen.run(line, signal)
    if ((screen.prompt() !== outside) !== wanted) {
      // Lines in the wrong mode are other lines: this shell is of no more use.
      screen.end()
      client.end()
      throw new SwitchError('rejected', `the switch refused "${line}": ${reply}`, { line, reply })
    }
    configuring = wanted
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
