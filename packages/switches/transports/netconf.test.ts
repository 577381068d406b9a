import { afterEach, describe, expect, it } from 'vitest'
import { namespaces } from '../openconfig/names.ts'
import { openconfigModel } from '../testing/netconf/openconfig.ts'
import { ok, rpcError, startNetconfServer } from '../testing/netconf/server.ts'
import {
  type NetconfSwitch,
  type SimulatorOptions,
  startNetconfSwitch,
} from '../testing/netconf/simulator.ts'
import type { Session } from '../types.ts'
import { netconfTransport } from './netconf.ts'
import type { NetconfReply, NetconfRequest, Operation } from './netconf-messages.ts'
import { element, find, netconfNamespace, type XmlElement } from './xml.ts'

type NetconfSession = Session<NetconfRequest, NetconfReply>
const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(options: SimulatorOptions = {}): Promise<NetconfSwitch> {
  const device = await startNetconfSwitch(openconfigModel(), options)
  cleanups.push(device.close)
  return device
}
async function open(device: NetconfSwitch, requires: string[] = []): Promise<NetconfSession> {
  const session = await netconfTransport({ requires }).connect(device.target(), { timeoutMs: 5_000 })
  cleanups.push(session.close)
  return session
}
async function ask(session: NetconfSession, operation: Operation, more: Partial<NetconfRequest> = {}) {
  const requests = [{ line: operation.do, operation, ...more }]
  const [reply] = await session.send(requests, () => true, { timeoutMs: 5_000 })
  return reply as NetconfReply
}
const enable = (value: boolean): Operation => ({
  do: 'edit-config',
  target: 'candidate',
  config: [
    element(namespaces.interfaces, 'interfaces', [
      element(namespaces.interfaces, 'interface', [
        element(namespaces.interfaces, 'name', 'eth1'),
        element(namespaces.interfaces, 'config', [element(namespaces.interfaces, 'enabled', String(value))]),
      ]),
    ]),
  ],
})
const isUp = (device: NetconfSwitch) => device.seen('eth1').untagged === 1

/** A server that says of each operation what the test wants, and nothing if asked for nothing. */
async function scripted(answer: (operation: XmlElement) => readonly XmlElement[] | null | undefined) {
  const server = await startNetconfServer({
    ...{
      username: 'u',
      password: 'p',
      faults: {},
      counts: { logins: 0, writes: 0, saves: 0 },
      capabilities: [],
      chunks: true,
    },
    handle: async (operation) =>
      operation.name === 'get-config' ? [element(netconfNamespace, 'data')] : answer(operation),
    onSessionEnd: () => undefined,
  })
  cleanups.push(server.close)
  const target = {
    ...{ driver: 'any', address: '127.0.0.1', port: server.port, username: 'u', password: 'p' },
    trust: { hostKeys: [server.hostKey] },
  }
  const session = await netconfTransport({ requires: [], maxMessageBytes: 100_000 }).connect(target, {
    timeoutMs: 5_000,
  })
  cleanups.push(session.close)
  return session
}

describe('NETCONF over SSH', () => {
  it.each([
    ['with chunks', true],
    ['with marks only', false],
  ])(
    '%s, a candidate is edited, checked, committed and copied to the startup configuration',
    async (_how, chunks) => {
      const device = await start({ chunks })
      const session = await open(device, ['candidate:', 'confirmed-commit:1.1', 'startup:'])
      for (const operation of [
        { do: 'lock', target: 'candidate' },
        enable(false),
        { do: 'validate', source: 'candidate' },
        { do: 'commit' },
        { do: 'copy-config', source: 'running', target: 'startup' },
        { do: 'unlock', target: 'candidate' },
      ] satisfies Operation[])
        expect((await ask(session, operation)).errors).toEqual([])
      expect(isUp(device)).toBe(false)
      expect(device.saved()).toBe(device.config())
      const filter = [element(namespaces.interfaces, 'interfaces')]
      const reply = await ask(session, { do: 'get-config', source: 'running', filter })
      expect(find(reply.answer ?? undefined, 'data', 'interfaces')?.children).toHaveLength(9)
    },
  )

  it('a switch without what safe changes need is refused before anything is asked of it', async () => {
    const device = await start({ startup: false })
    const connecting = netconfTransport({ requires: ['candidate:', 'startup:'] }).connect(device.target(), {
      timeoutMs: 5_000,
    })
    await expect(connecting).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('startup:'),
    })
    expect(device.operations).toEqual([])
  })

  it('a confirmed commit is undone by its clock, by cancel-commit, and by the end of its session; confirmed, it stays', async () => {
    const device = await start({ secondMs: 20 })
    const arm = async (session: NetconfSession, timeoutSeconds: number) => {
      await ask(session, enable(false))
      await ask(session, { do: 'commit', confirmed: { timeoutSeconds } })
      if (timeoutSeconds === 600) expect(isUp(device)).toBe(false)
    }
    const first = await open(device)
    await arm(first, 5)
    await expect.poll(() => isUp(device)).toBe(true)
    await arm(first, 600)
    expect((await ask(first, { do: 'cancel-commit' })).errors).toEqual([])
    expect(isUp(device)).toBe(true)
    await arm(first, 600)
    await first.close()
    await expect.poll(() => isUp(device)).toBe(true)
    const second = await open(device)
    await arm(second, 600)
    await ask(second, { do: 'commit' })
    await second.close()
    await open(device)
    expect(isUp(device)).toBe(false)
  })

  it('a commit can be confirmed and cancelled from another session by its persist-id', async () => {
    const sent: string[] = []
    const session = await scripted((operation) => {
      sent.push(
        `${operation.name}: ${operation.children.map((child) => `${child.name}=${child.text}`).join(' ')}`,
      )
      return [ok()]
    })
    await ask(session, { do: 'commit', confirmed: { timeoutSeconds: 60, persist: 'leasehold-1' } })
    await ask(session, { do: 'commit', persistId: 'leasehold-1' })
    await ask(session, { do: 'cancel-commit', persistId: 'leasehold-1' })
    expect(sent).toEqual([
      'commit: confirmed= confirm-timeout=60 persist=leasehold-1',
      'commit: persist-id=leasehold-1',
      'cancel-commit: persist-id=leasehold-1',
    ])
  })

  it('a confirmation that would come too late is not sent, and is an error', async () => {
    const device = await start({ secondMs: 20 })
    const session = await open(device)
    await ask(session, enable(false))
    await ask(session, { do: 'commit', confirmed: { timeoutSeconds: 1 } }, { clock: 0.001 })
    await expect.poll(() => isUp(device)).toBe(true)
    const commits = device.operations.filter((name) => name === 'commit').length
    const reply = await ask(session, { do: 'commit' }, { clock: 'confirm' })
    expect(reply.text).toContain('time to confirm the commit is over')
    expect(device.operations.filter((name) => name === 'commit')).toHaveLength(commits)
  })

  it('warnings are no errors, wherever they stand; errors are, with their words and place', async () => {
    const session = await scripted(({ name }) =>
      name === 'commit'
        ? [rpcError('', 'statement not found', '', 'warning'), ok()]
        : [element(netconfNamespace, 'results', [rpcError('operation-failed', 'no such thing', '[edit x]')])],
    )
    expect(await ask(session, { do: 'commit' })).toMatchObject({
      errors: [],
      warnings: [{ message: 'statement not found' }],
    })
    expect(await ask(session, { do: 'discard-changes' })).toMatchObject({
      text: 'no such thing at [edit x]',
      errors: [{ tag: 'operation-failed', severity: 'error' }],
    })
  })

  it('errors that were foreseen are none', async () => {
    const session = await scripted(() => [rpcError('invalid-value', 'nothing to cancel')])
    const accepted = await ask(session, { do: 'cancel-commit' }, { accept: ['invalid-value'] })
    expect(accepted.errors).toEqual([])
    expect((await ask(session, { do: 'cancel-commit' }, { accept: ['data-missing'] })).errors).toHaveLength(1)
  })

  it('a patient lock is had as soon as it is free, an impatient one is refused', async () => {
    const device = await start()
    device.lockFor(99)
    const impatient = await ask(await open(device), { do: 'lock', target: 'candidate' })
    expect(impatient.errors[0]?.tag).toBe('lock-denied')
    const waiting = ask(await open(device), { do: 'lock', target: 'candidate' }, { patient: true })
    await expect.poll(() => device.operations.filter((name) => name === 'lock').length).toBeGreaterThan(2)
    device.lockFor(null)
    expect((await waiting).errors).toEqual([])
  })

  it('silence is a timeout, and the session is of no use after it', async () => {
    const session = await scripted(() => undefined)
    const requests = [{ line: 'commit', operation: { do: 'commit' } as const }]
    const asking = session.send(requests, () => true, { timeoutMs: 1_000 })
    await expect(asking).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('commit'),
    })
    expect(session.alive()).toBe(false)
  })

  it('a first question that gets lost is asked again in a new session; what must not be done twice comes after it', async () => {
    const device = await start()
    const lost = new Set([1, 2])
    device.faults.hang = () => lost.delete(device.counts.logins)
    const session = await open(device)
    expect((await ask(session, { do: 'get-config', source: 'running', filter: [] })).errors).toEqual([])
    const { logins } = device.counts
    expect(logins).toBeGreaterThanOrEqual(3)
    lost.add(logins + 1)
    expect((await ask(await open(device), { do: 'commit' })).errors).toEqual([])
    expect(device.counts.logins).toBeGreaterThanOrEqual(logins + 2)
    expect(device.operations.filter((name) => name !== 'get-config')).toEqual(['commit'])
  })

  it('a connection that breaks is said at once, not when time is over', async () => {
    const session = await scripted(() => null)
    await expect(ask(session, { do: 'commit' })).rejects.toMatchObject({ code: 'unreachable' })
    expect(session.alive()).toBe(false)
  })

  it('an answer that is larger than anything sensible breaks the session', async () => {
    const session = await scripted(() => [element(netconfNamespace, 'data', 'x'.repeat(200_000))])
    const asking = ask(session, { do: 'get', filter: [] })
    await expect(asking).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('100000 bytes'),
    })
    expect(session.alive()).toBe(false)
  })

  it('what an operation carries cannot end it or begin another', async () => {
    const seen: XmlElement[] = []
    const session = await scripted((operation) => {
      seen.push(operation)
      return [ok()]
    })
    const evil = '</a></config></edit-config></rpc>]]>]]><rpc><kill-session/></rpc>\n##\n'
    const config = [element('urn:x', 'a', evil, { note: '"><b/>' })]
    await ask(session, { do: 'edit-config', target: 'candidate', config })
    expect(seen).toHaveLength(1)
    expect(find(seen[0], 'config', 'a')).toMatchObject({ text: evil.trim(), attributes: { note: '"><b/>' } })
  })
})
