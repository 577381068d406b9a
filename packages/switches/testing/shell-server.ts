/** An SSH server with a command line behind it: echo, prompt, pager, and connections that break on demand. */
import { type AddressInfo, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import ssh2, { type ServerChannel } from 'ssh2'
import { fingerprintOf } from '../transports/host-key.ts'
import type { Counts, Faults } from './device.ts'

/** One user's command line. `run` answers with what is printed; null breaks the connection, undefined never answers. */
export type CommandLine = {
  prompt: () => string
  run: (line: string) => Promise<string | null | undefined>
  /** Lines to a page; 0 for no pager. */
  pageLength: () => number
}

export type ShellServer = { port: number; hostKey: string; close: () => Promise<void> }

export type ShellServerOptions = {
  username: string
  password: string
  faults: Faults
  counts: Counts
  open: () => CommandLine
  /** Runs a command by itself, without a shell: what it prints and its status; null and undefined as in `run`. */
  exec?: (line: string) => Promise<{ text: string; status: number } | null | undefined>
}

export async function startShellServer(options: ShellServerOptions): Promise<ShellServer> {
  const { faults, counts } = options
  const { privateKey, fingerprint } = hostKeyPair()
  const clients = new Set<ssh2.Connection>()
  const known = new WeakSet<ssh2.Connection>()
  const server = new ssh2.Server({ hostKeys: [privateKey] }, (client) => {
    clients.add(client)
    client.on('close', () => clients.delete(client))
    client.on('error', () => undefined)
    client.on('authentication', (context) => {
      const good =
        context.method === 'password' &&
        context.username === options.username &&
        context.password === options.password
      if (good) sleep(faults.loginDelayMs ?? 0).then(() => context.accept())
      else context.reject(['password'])
    })
    client.on('session', (accept) => {
      const session = accept()
      session.on('pty', (acceptPty) => acceptPty?.())
      session.on('shell', (acceptShell) => {
        counts.logins++
        serve(acceptShell(), options.open(), () => client.end())
      })
      session.on('exec', async (acceptExec, _reject, { command }) => {
        if (!known.has(client)) counts.logins++
        known.add(client)
        const channel = acceptExec()
        channel.on('error', () => undefined)
        const ended = await options.exec?.(command)
        if (ended === null) return client.end()
        if (ended === undefined) return
        channel.write(ended.text)
        channel.exit(ended.status)
        channel.end()
      })
    })
  })
  // Echo and answer are two packets: without this the second waits 40 ms for the first one's acknowledgement.
  const listener = createServer({ noDelay: true }, (socket) => server.injectSocket(socket))
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  return {
    port: (listener.address() as AddressInfo).port,
    hostKey: fingerprint,
    close: () =>
      new Promise((resolve) => {
        for (const client of clients) client.end()
        listener.close(() => resolve())
      }),
  }
}

/** Not ed25519: of those the library makes one in some 200 that it cannot read itself. */
function hostKeyPair(): { privateKey: string; fingerprint: string } {
  const pair = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 })
  const parsed = ssh2.utils.parseKey(pair.public)
  if (parsed instanceof Error) throw parsed
  return { privateKey: pair.private, fingerprint: fingerprintOf(parsed.getPublicSSH()) }
}

function serve(channel: ServerChannel, commandLine: CommandLine, hangUp: () => void): void {
  let typed = ''
  let keys: ((key: string) => void) | undefined
  let work = Promise.resolve()
  channel.on('error', () => undefined)
  channel.write(`Nexus of the test lab\r\n${commandLine.prompt()}`)
  channel.on('data', (data: Buffer) => {
    for (const key of data.toString('utf8')) {
      if (keys) keys(key)
      else if (key === '\n' || key === '\r') {
        const line = typed
        typed = ''
        work = work.then(() => enter(line))
      } else typed += key
    }
  })

  async function enter(line: string): Promise<void> {
    channel.write(`${line}\r\n`)
    // Enter alone is how programs ask for the prompt.
    const text = line.trim() === '' ? '' : await commandLine.run(line)
    if (text === undefined) return
    if (text === null) {
      channel.close()
      return hangUp()
    }
    await page(text)
    channel.write(commandLine.prompt())
  }

  async function page(text: string): Promise<void> {
    if (text === '') return
    const lines = text.split('\n')
    const length = commandLine.pageLength() || lines.length
    for (let at = 0; at < lines.length; at += length) {
      channel.write(`${lines.slice(at, at + length).join('\r\n')}\r\n`)
      if (at + length >= lines.length) return
      channel.write('--More--')
      const key = await new Promise<string>((resolve) => {
        keys = resolve
      })
      keys = undefined
      channel.write('\r        \r')
      if (key === 'q') return
    }
  }
}
