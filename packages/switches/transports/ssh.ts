/** An SSH connection to a switch whose host key is checked before anything of ours is sent. */
import { Socket } from 'node:net'
import ssh2 from 'ssh2'
import { SwitchError } from '../errors.ts'
import type { SwitchTarget } from '../types.ts'
import { hostKeyCheck } from './host-key.ts'

/** @throws SwitchError 'unreachable' | 'timeout' | 'auth' | 'host-key' | 'invalid' */
export function connectSsh(target: SwitchTarget, timeoutMs: number): Promise<ssh2.Client> {
  const { address, port = 22, username = '', password, privateKey, trust } = target
  const where = `${address}:${port}`
  const check = hostKeyCheck(trust)
  const client = new ssh2.Client()
  const socket = new Socket()
  socket.setNoDelay(true)
  return new Promise((resolve, reject) => {
    const fail = (code: 'unreachable' | 'auth' | 'host-key' | 'timeout', why: string, cause?: unknown) => {
      clearTimeout(timer)
      client.destroy()
      socket.destroy()
      reject(new SwitchError(code, `${where}: ${why}`, { cause }))
    }
    const timer = setTimeout(() => fail('timeout', `no login within ${timeoutMs} ms`), timeoutMs)
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
    client.on('ready', () => {
      clearTimeout(timer)
      resolve(client)
    })
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
