/** Commands of a switch's own operating system over SSH: each runs by itself and ends with a status. */
import type ssh2 from 'ssh2'
import { SwitchError } from '../errors.ts'
import type { Session, Transport } from '../types.ts'
import type { CliReply, CliRequest } from './cli.ts'
import { connectSsh } from './ssh.ts'

/** A status other than 0 makes a reply `failed`, whatever was printed. */
export const execTransport: Transport<CliRequest, CliReply> = {
  name: 'ssh-exec',
  connect: async (target, { timeoutMs }) => sessionOf(await connectSsh(target, timeoutMs)),
}

function sessionOf(client: ssh2.Client): Session<CliRequest, CliReply> {
  let broken: string | undefined
  client.on('close', () => {
    broken ??= 'the switch closed the connection'
  })
  const close = async () => {
    broken ??= 'closed'
    client.end()
    client.destroy()
  }
  return {
    alive: () => broken === undefined,
    close,
    send: async (requests, goOn, { timeoutMs }) => {
      const signal = AbortSignal.timeout(timeoutMs)
      const replies: CliReply[] = []
      for (const request of requests) {
        const { line, mode, port } = request
        if (broken !== undefined) throw gone(line, broken)
        // After one that fell silent, nobody knows what is still running there.
        const ended = await run(client, line, signal).catch(async (error: unknown) => {
          await close()
          throw error
        })
        const about = { line, mode, ...(port === undefined ? {} : { port }) }
        const reply: CliReply = {
          ...about,
          text: ended.text,
          ...(ended.status === 0 ? {} : { failed: true }),
        }
        replies.push(reply)
        if (!goOn(reply)) break
      }
      return replies
    },
  }
}

function run(
  client: ssh2.Client,
  line: string,
  signal: AbortSignal,
): Promise<{ text: string; status: number }> {
  return new Promise((resolve, reject) => {
    const late = () => finish(new SwitchError('timeout', `no end in time of "${line}"`, { line }))
    const lost = () => finish(gone(line, 'the switch closed the connection'))
    const finish = (result: Error | { text: string; status: number }) => {
      signal.removeEventListener('abort', late)
      client.off('close', lost)
      if (result instanceof Error) reject(result)
      else resolve(result)
    }
    if (signal.aborted) return late()
    signal.addEventListener('abort', late, { once: true })
    client.once('close', lost)
    client.exec(line, (error, channel) => {
      if (error) return finish(gone(line, error.message))
      const chunks: Buffer[] = []
      let status: number | null = null
      channel.on('data', (chunk: Buffer) => chunks.push(chunk))
      channel.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
      channel.on('exit', (code: number | null) => {
        status = code ?? -1
      })
      channel.on('close', () => {
        if (status === null) finish(gone(line, 'it ended without a status'))
        else finish({ text: Buffer.concat(chunks).toString('utf8').trim(), status })
      })
    })
  })
}

function gone(line: string, why: string): SwitchError {
  return new SwitchError('unreachable', `the session broke: ${why} (at "${line}")`, { line })
}
