/** esi-leap's client, unmodified, gets an address; websocat, which knows nothing of us, opens it. */
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Lab, startLab } from '../../server/lab/index.ts'
import { type Clients, type Outcome, startClients } from './clients.ts'
import { type ConsoleService, startConsoles, until, type Who } from './console-service.ts'
import { needPrograms, type Running, start } from './programs.ts'

const program = resolve(import.meta.dirname, '../../.venv/console/bin/websocat')

let service: ConsoleService
let clients: Clients
let lab: Lab
let typed = ''
let node: string
const running: Running[] = []

beforeAll(async () => {
  await needPrograms(program)
  lab = await startLab({ count: 1, serial: 'quiet' })
  ;[service, clients] = await Promise.all([startConsoles(), startClients()])
  node = await service.node(machine())
  machine().serial.onInput((bytes) => {
    typed += bytes.toString('latin1')
    machine().serial.write(bytes)
  })
  await service.up(node)
})
afterAll(async () => {
  for (const each of running) await each.end('SIGKILL')
  await clients?.close()
  await service?.end()
  await lab?.close()
})

const machine = () => {
  const [first] = lab.machines
  if (first === undefined) throw new Error('no machine')
  return first
}
const esi = (who: Who, line: string): Promise<Outcome> =>
  clients.run('openstack', `esi console auth token ${line}`, {
    OS_CLIENT_CONFIG_FILE: service.clouds,
    OS_CLOUD: who,
  })
const create = async (line = 'peer-1') => {
  const { code, stdout, stderr } = await esi('lessee', `create ${line} -f json`)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as { node_uuid: string; token: string; access_url: string }
}
const websocat = (...words: string[]): Running => {
  const begun = start(program, words)
  running.push(begun)
  return begun
}

describe('openstack esi console auth token', () => {
  test('create gives a lessee an address, which websocat -b opens: every byte comes, and goes', async () => {
    const { node_uuid, access_url } = await create()
    expect(node_uuid).toBe(node)
    const client = websocat('-b', access_url)
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    client.type(bytes)
    await until(() => client.bytes.includes(bytes), 'the echo')
    expect(Buffer.from(typed, 'latin1').equals(bytes)).toBe(true)
    const log = Buffer.from(Array.from({ length: 5_000 }, (_, line) => `line ${line}\r\n`).join(''))
    machine().serial.write(log)
    await until(() => client.bytes.includes(log), 'a long log')
    // A raw client is told nothing but bytes.
    expect(client.bytes.toString('latin1').replace(bytes.toString('latin1'), '')).toBe(log.toString('latin1'))
    client.hangUp()
    expect(await client.ended).toBe(0)
  })

  test('two come to one address: the later has the keyboard, both watch', async () => {
    const { access_url } = await create('peer-1 --token-ttl 60')
    const first = websocat('-b', access_url)
    await until(() => first.bytes.length > 0, 'the first')
    const second = websocat('-b', access_url)
    await until(() => second.bytes.length > 0, 'the second')
    second.type('from the second')
    await until(() => [first, second].every(({ said }) => said.endsWith('from the second')), 'the echo')
    await first.end('SIGKILL')
    await second.end('SIGKILL')
  })

  test('delete makes the address void, and ends what it has opened', async () => {
    const { access_url } = await create()
    const client = websocat('-bE', access_url)
    await until(() => client.bytes.length > 0, 'the console')
    const deleted = await esi('lessee', 'delete peer-1')
    expect(deleted).toMatchObject({ code: 0, stdout: 'Disabled console auth tokens for node peer-1\n' })
    await client.ended
    const late = websocat('-b', access_url)
    expect(await late.ended).not.toBe(0)
    expect(late.said).toContain('401')
  })

  test('is not for a stranger, to whom there is no such node, nor for an owner whose node is lent', async () => {
    for (const line of ['create peer-1', 'delete peer-1', `create ${node}`, 'create nonesuch']) {
      const { code, stderr } = await esi('stranger', line)
      expect(code, line).not.toBe(0)
      expect(stderr, line).toMatch(/404.*could not be found/)
    }
    const owner = await esi('owner', 'create peer-1')
    expect(owner.code).not.toBe(0)
    expect(owner.stderr).toContain('leasehold:console:read')
  })

  test('a wrong life is an error that names what is wrong', async () => {
    const { code, stderr } = await esi('lessee', 'create peer-1 --token-ttl soon')
    expect(code).not.toBe(0)
    expect(stderr).toContain('token_ttl')
  })

  test('the end of the lease ends the session within a second', async () => {
    const { access_url } = await create()
    const client = websocat('-bE', access_url)
    await until(() => client.bytes.length > 0, 'the console')
    await service.ask('leasehold', 'PATCH', `/v1/nodes/${node}`, [{ op: 'remove', path: '/lessee' }])
    const ended = performance.now()
    await client.ended
    expect(performance.now() - ended).toBeLessThan(1_000 + busyMs)
  })
})

/** The machine that runs this does other things as well. */
const busyMs = 2_000
