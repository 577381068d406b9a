/** A subsystem of an SSH server, as NETCONF is one: a checked login and a stream of bytes. */
import type { Client, ClientChannel } from 'ssh2'
import { SwitchError } from '../errors.ts'
import type { SwitchTarget } from '../types.ts'
import { connectSsh } from './ssh.ts'

export type Subsystem = {
  write: (data: Buffer) => void
  onData: (reader: (data: Buffer) => void) => void
  /** Told once, with the reason. */
  onEnd: (told: (why: string) => void) => void
  alive: () => boolean
  destroy: () => void
}

export type SubsystemOptions = { name: string; defaultPort: number; timeoutMs: number }

/** @throws SwitchError 'unreachable' | 'auth' | 'host-key' | 'timeout' | 'invalid' */
export async function openSubsystem(target: SwitchTarget, options: SubsystemOptions): Promise<Subsystem> {
  const { name, defaultPort, timeoutMs } = options
  const began = Date.now()
  const client = await connectSsh({ ...target, port: target.port ?? defaultPort }, timeoutMs)
  try {
    return streamOf(await subsystem(client, name, began + timeoutMs - Date.now()), client)
  } catch (error) {
    client.destroy()
    throw error
  }
}

function subsystem(client: Client, name: string, timeoutMs: number): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const fail = (code: 'timeout' | 'unreachable', why: string) => {
      clearTimeout(timer)
      reject(new SwitchError(code, `no SSH subsystem ${name}: ${why}`))
    }
    const timer = setTimeout(() => fail('timeout', `no answer within ${timeoutMs} ms`), timeoutMs)
    client.on('close', () => fail('unreachable', 'the switch closed the connection'))
    client.subsys(name, (error, channel) => {
      if (error) return fail('unreachable', error.message)
      clearTimeout(timer)
      resolve(channel)
    })
  })
}

function streamOf(channel: ClientChannel, client: Client): Subsystem {
  let ended: string | undefined
  let tell: ((why: string) => void) | undefined
  const end = (why: string) => {
    if (ended !== undefined) return
    ended = why
    tell?.(why)
  }
  channel.on('error', (error: Error) => end(error.message))
  channel.on('close', () => end('the switch closed the session'))
  client.on('error', (error: Error) => end(error.message))
  client.on('close', () => end('the connection to the switch is gone'))
  return {
    write: (data) => {
      if (ended === undefined) channel.write(data)
    },
    onData: (reader) => {
      channel.on('data', reader)
    },
    onEnd: (told) => {
      tell = told
      if (ended !== undefined) told(ended)
    },
    alive: () => ended === undefined,
    destroy: () => {
      end('the session was closed')
      client.destroy()
    },
  }
}
