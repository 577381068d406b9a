/** Who sees what of a console: the other tenant first. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureAssignment, issueToken } from '../access/index.ts'
import type { Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { issueTicket } from './index.ts'
import { type Room, testRoom, until, watch } from './testing.ts'

let store: Store
let room: Room
beforeAll(async () => {
  store = await testStore()
  room = await testRoom(store)
})
afterAll(async () => {
  await room.close()
  await store.close()
})

const come = (who: string, node: string, query: Record<string, string> = {}) =>
  watch(room.url, node, { token: room.tokens[who], query })
const refusal = async (coming: Promise<unknown>): Promise<string> =>
  coming.then(
    () => 'was let in',
    (error: Error) => error.message,
  )
/** Without control messages a refusal is an HTTP status. */
const status = (who: string | undefined, node: string, query: Record<string, string> = {}) =>
  refusal(
    watch(room.url, node, { token: who === undefined ? undefined : room.tokens[who], query, protocols: [] }),
  )
const up = (node: string) => until(() => room.line(node).live, 'the line')
const spans = (node: string) =>
  room.db
    .selectFrom('console_spans')
    .select(['start_offset', 'lessee'])
    .where('node_uuid', '=', node)
    .execute()
const set = (node: string, fields: Record<string, unknown>) =>
  room.db.updateTable('nodes').set(fields).where('uuid', '=', node).execute()

/** A new member of the lessee. */
async function member() {
  const { id: userId } = await room.db
    .insertInto('users')
    .values({ id: crypto.randomUUID(), name: crypto.randomUUID() })
    .returning('id')
    .executeTakeFirstOrThrow()
  const projectId = room.projects.lessee
  await ensureAssignment(room.db, { userId, role: 'member', projectId })
  const token = (await issueToken(room.db, {
    userId,
    scope: { projectId },
    methods: ['password'],
    applicationCredentialId: null,
    lifeSeconds: 3600,
    notAfter: null,
  })) as string
  return { token, userId }
}

describe('a stranger', () => {
  it('cannot tell another tenant’s console from none, by any door’s words', async () => {
    const node = await room.node()
    await up(node)
    const absent = '00000000-0000-4000-8000-000000000000'
    expect(await status('stranger', node)).toBe('HTTP 404')
    expect(await status('stranger', absent)).toBe('HTTP 404')
    for (const ident of [node, absent]) {
      const watcher = await come('stranger', ident)
      await until(() => watcher.closed)
      expect(watcher.closed?.code).toBe(4404)
      expect(watcher.closed?.reason.replace(ident, '<it>')).toBe('Node <it> could not be found.')
      expect(watcher.controls).toEqual([])
    }
  })

  it('without a token, or with a wrong one, is told nothing', async () => {
    const node = await room.node()
    expect(await status(undefined, node)).toBe('HTTP 401')
    expect(await refusal(watch(room.url, node, { token: 'lh_wrong', protocols: [] }))).toBe('HTTP 401')
    expect(await refusal(watch(room.url, node, { query: { ticket: 'lct_wrong' }, protocols: [] }))).toBe(
      'HTTP 401',
    )
  })
})

describe('an owner', () => {
  it('does not see inside its lessee’s console, unless the lessee lets it, and only as long', async () => {
    const node = await room.node()
    await up(node)
    room.line(node).say('the lessee’s secret')
    expect(await status('owner', node)).toBe('HTTP 403')
    const span = async () =>
      (
        await room.db
          .selectFrom('consoles')
          .select('span_id')
          .where('node_uuid', '=', node)
          .executeTakeFirst()
      )?.span_id as string
    const { shareSpan } = await import('./index.ts')
    await shareSpan(room.db, node, await span(), true)
    const owner = await come('owner', node, { mode: 'read', offset: '0' })
    await until(() => owner.text.includes('secret'))
    // It looks on, and does not type.
    expect(await status('owner', node, { mode: 'write' })).toBe('HTTP 403')
    owner.ask({ type: 'force' })
    await until(() => owner.last('error'))
    expect(owner.last('error')?.error).toContain('leasehold:console:force')
    await shareSpan(room.db, node, await span(), false)
    await until(() => owner.closed)
    expect(owner.closed?.code).toBe(4403)
  })
})

describe('a reader', () => {
  it('of the lessee’s project sees the node, and not its console', async () => {
    const node = await room.node()
    expect(await status('reader', node)).toBe('HTTP 403')
  })
})

describe('a lessee', () => {
  it('is told that its machine cannot be reached, but not where its BMC is; the operator is told both', async () => {
    const node = await room.node()
    await up(node)
    const lessee = await come('lessee', node)
    const operator = await come('admin', node, { mode: 'read' })
    await until(() => lessee.last('hello') && operator.last('hello'))
    room.line(node).lose('BMC 10.9.8.7:623: no answer')
    await until(() => operator.controls.some((each) => JSON.stringify(each).includes('10.9.8.7')))
    await until(() => lessee.last('state')?.state === 'up')
    expect(JSON.stringify(lessee.controls)).not.toContain('10.9.8.7')
    expect(JSON.stringify(lessee.controls)).toContain('does not answer')
    const row = await room.db
      .selectFrom('consoles')
      .selectAll()
      .where('node_uuid', '=', node)
      .executeTakeFirst()
    expect(row?.plain_reason ?? '').not.toContain('10.9.8.7')
    let journal = ''
    const { asText, findConsole, readJournal } = await import('./index.ts')
    const { journal: name = '' } = (await findConsole(room.db, node)) ?? {}
    for await (const part of asText(readJournal(room.consoles.journalOf(name)), { marks: true }))
      journal += part
    expect(journal).not.toContain('10.9.8.7')
  })
})

describe('the wall', () => {
  it('stands at each change of lessee: the former tenant is cut, and the next cannot reach behind', async () => {
    const node = await room.node()
    await up(node)
    const line = room.line(node)
    line.say('first tenants bytes')
    const former = await come('lessee', node, { offset: '0' })
    const operator = await come('admin', node, { mode: 'read' })
    await until(() => former.text.includes('first'))
    const begun = performance.now()
    await set(node, { lessee: room.projects.stranger })
    await until(() => former.closed)
    expect(performance.now() - begun).toBeLessThan(1_000)
    expect(former.closed?.code).toBe(4410)
    line.say('second tenants bytes')
    const next = await come('stranger', node, { offset: '0' })
    await until(() => next.text.includes('second'))
    expect(next.text).toBe('second tenants bytes')
    expect(next.last('gap')).toMatchObject({ from: 0, reason: 'no longer kept, or not yours' })
    expect(next.last('hello')?.start).toBe(Buffer.byteLength('first tenants bytes'))
    await until(() => operator.text.includes('second'))
    expect(operator.text).toContain('first')
    expect(operator.last('wall')).toBeDefined()
    expect(former.text).not.toContain('second')
    expect(await status('lessee', node)).toBe('HTTP 404')
  })

  it('stands when the console was off in the meantime, and after a restart of the service', async () => {
    const node = await room.node()
    await up(node)
    room.line(node).say('before')
    await set(node, { console_enabled: false, lessee: null })
    await set(node, { lessee: room.projects.stranger })
    await set(node, { console_enabled: true })
    await until(async () => {
      const spans = await room.db
        .selectFrom('console_spans')
        .select(['start_offset', 'lessee'])
        .where('node_uuid', '=', node)
        .orderBy('id')
        .execute()
      return spans.length === 3 && spans.every((span) => span.start_offset !== null) && spans
    })
    room.line(node).say('after')
    const next = await come('stranger', node, { offset: '0' })
    await until(() => next.text.includes('after'))
    expect(next.text).toBe('after')
  })

  it('stands where it was built, though the process was killed before it could be written down', async () => {
    const data = await mkdtemp(join(tmpdir(), 'leasehold-wall-'))
    const config = { 'conductor.group': 'killed', 'conductor.host': 'killed', data }
    const first = await room.another(config)
    const node = await room.node({ conductor_group: 'killed' })
    await up(node)
    room.line(node).say('former')
    await set(node, { lessee: room.projects.stranger })
    await until(async () => (await spans(node)).every((row) => row.start_offset !== null))
    room.line(node).say('present')
    await until(async () => {
      const row = await room.db
        .selectFrom('consoles')
        .select('end_offset')
        .where('node_uuid', '=', node)
        .executeTakeFirst()
      return row?.end_offset === '13'
    })
    await first.close()
    await room.db
      .updateTable('console_spans')
      .set({ start_offset: null })
      .where('node_uuid', '=', node)
      .where('lessee', '=', room.projects.stranger)
      .execute()
    const second = await room.another(config)
    await until(() => room.line(node).live)
    const watcher = await watch(second.url, node, { token: room.tokens.stranger, query: { offset: '0' } })
    await until(() => watcher.text.length > 0)
    expect(watcher.text).toBe('present')
    await until(async () => (await spans(node)).every((row) => row.start_offset !== null))
    await second.close()
    await rm(data, { recursive: true })
  })

  it('stands when instance and lease change in one statement, and each change in a row makes one', async () => {
    const node = await room.node()
    await up(node)
    for (const text of ['a', 'b', 'c']) {
      room.line(node).say(text)
      await set(node, { instance_uuid: crypto.randomUUID() })
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    const watcher = await come('lessee', node, { offset: '0' })
    room.line(node).say('d')
    await until(() => watcher.text === 'd')
  })
})

describe('what comes late', () => {
  it('of a former tenant, from a buffer or the network, is shown to nobody who comes after it', async () => {
    const settling = await room.another({
      'conductor.group': 'late',
      'conductor.host': 'late',
      'console.settle_ms': 300,
    })
    const node = await room.node({ conductor_group: 'late' })
    await up(node)
    const line = room.line(node)
    line.say('before ')
    const former = await watch(settling.url, node, { token: room.tokens.lessee, query: { offset: '0' } })
    await until(() => former.text === 'before ')
    const stood = () => spans(node).then((rows) => rows.every((row) => row.start_offset !== null))
    await set(node, { lessee: room.projects.stranger })
    await until(() => former.closed)
    const next = await watch(settling.url, node, { token: room.tokens.stranger, query: { offset: '0' } })
    line.say('late ')
    await until(stood)
    line.say('own')
    await until(() => next.text.length > 0)
    expect(next.text).toBe('own')
    expect(former.text).toBe('before ')
    // A line that was down meanwhile brings what the BMC had kept: it settles once it is up again.
    line.refuse = 'it is down'
    line.lose()
    await set(node, { lessee: null })
    await until(() => next.closed)
    line.refuse = undefined
    await until(() => line.live, 'the line', 15_000)
    line.say('kept by the BMC ')
    await until(stood, 'the wall', 15_000)
    line.say('of the owner')
    const owner = await watch(settling.url, node, { token: room.tokens.owner, query: { offset: '0' } })
    await until(() => owner.text.length > 0)
    expect(owner.text).toBe('of the owner')
    await settling.close()
  })
})

describe('whoever watches is cut within a second when', () => {
  it.each([
    [
      'its token is revoked',
      async (token: string) => {
        const { revokeToken } = await import('../access/index.ts')
        await revokeToken(room.db, token)
      },
      4401,
    ],
    [
      'its role goes',
      async (_token: string, userId: string) => {
        await room.db.deleteFrom('role_assignments').where('user_id', '=', userId).execute()
      },
      4401,
    ],
    [
      'its user is disabled',
      async (_token: string, userId: string) => {
        await room.db.updateTable('users').set({ enabled: false }).where('id', '=', userId).execute()
      },
      4401,
    ],
  ] as const)('%s', async (_, act, code) => {
    const node = await room.node()
    await up(node)
    const { token, userId } = await member()
    const watcher = await watch(room.url, node, { token })
    await until(() => watcher.last('hello'))
    const begun = performance.now()
    await act(token, userId)
    await until(() => watcher.closed)
    expect(performance.now() - begun).toBeLessThan(1_000)
    expect(watcher.closed?.code).toBe(code)
    room.line(node).say('after it was cut')
    expect(watcher.text).not.toContain('after')
  })
})

describe('who may no longer type', () => {
  const lookOn = { 'leasehold:console:read': 'role:reader and project_id:%(console.tenant)s' }
  let path: string
  let ruled: Awaited<ReturnType<Room['another']>>
  beforeAll(async () => {
    path = join(await mkdtemp(join(tmpdir(), 'leasehold-rules-')), 'policy.json')
    await writeFile(path, JSON.stringify(lookOn))
    const own = { 'conductor.group': 'ruled', 'conductor.host': 'ruled', 'policy.file': path }
    ruled = await room.another(own)
  })
  afterAll(async () => {
    await ruled.close()
    await rm(dirname(path), { recursive: true })
  })
  const console_ = async () => {
    const node = await room.node({ conductor_group: 'ruled' })
    await up(node)
    return { node, line: room.line(node) }
  }
  const enter = async (node: string, token = room.tokens.lessee) => {
    const watcher = await watch(ruled.url, node, { token })
    await until(() => watcher.last('hello'))
    return watcher
  }

  const demote = async (userId: string) => {
    await ensureAssignment(room.db, { userId, role: 'reader', projectId: room.projects.lessee })
    await room.db
      .deleteFrom('role_assignments')
      .where('user_id', '=', userId)
      .where('role_id', 'in', (query) => query.selectFrom('roles').select('id').where('name', '=', 'member'))
      .execute()
  }

  it('as its role went, but may look on, loses the keyboard, and does not get it again', async () => {
    const { node, line } = await console_()
    const { token, userId } = await member()
    const demoted = await enter(node, token)
    const waiting = await enter(node)
    await until(() => waiting.last('mode')?.mode === 'read')
    demoted.type('before ')
    await until(() => line.typed === 'before ')
    await demote(userId)
    await until(() => waiting.last('mode')?.mode === 'write')
    expect(demoted.last('mode')).toMatchObject({ mode: 'read', reason: 'the right to type here is gone' })
    demoted.type('lost ')
    demoted.ask({ type: 'take' })
    await until(() => demoted.last('error')?.error.includes('leasehold:console:take'))
    waiting.type('after')
    await until(() => line.typed === 'before after')
    expect(demoted.closed).toBeUndefined()
  })

  it('is not given the keyboard though it waited for it', async () => {
    const { node, line } = await console_()
    const { token, userId } = await member()
    const writer = await enter(node)
    const waiting = await enter(node, token)
    await until(() => waiting.last('mode')?.mode === 'read')
    await demote(userId)
    await until(() => {
      waiting.ask({ type: 'take' })
      return waiting.last('error')?.error.includes('leasehold:console:take')
    })
    writer.ask({ type: 'release' })
    await until(() => writer.last('mode')?.mode === 'read')
    waiting.type('x')
    writer.ask({ type: 'write' })
    await until(() => writer.last('mode')?.mode === 'write')
    writer.type('y')
    await until(() => line.typed !== '')
    expect(line.typed).toBe('y')
  })

  it('or look on, as the rules were changed, is told so or cut', async () => {
    const { node, line } = await console_()
    const watcher = await enter(node)
    await writeFile(path, JSON.stringify({ ...lookOn, 'leasehold:console:write': '!' }))
    expect(await ruled.policy.reload()).toBe(true)
    await until(() => watcher.last('mode')?.mode === 'read')
    watcher.type('lost')
    line.say('seen')
    await until(() => watcher.text.includes('seen'))
    await writeFile(path, JSON.stringify({ 'leasehold:console:read': '!' }))
    expect(await ruled.policy.reload()).toBe(true)
    await until(() => watcher.closed)
    expect(watcher.closed?.code).toBe(4403)
    expect(line.typed).toBe('')
  })
})

describe('a ticket', () => {
  const spanOf = async (node: string) =>
    (
      await room.db
        .selectFrom('consoles')
        .select('span_id')
        .where('node_uuid', '=', node)
        .executeTakeFirstOrThrow()
    ).span_id as string
  const ticket = async (node: string, more: Partial<Parameters<typeof issueTicket>[1]> = {}) =>
    (
      await issueTicket(room.db, {
        nodeUuid: node,
        spanId: await spanOf(node),
        userId: null,
        projectId: room.projects.lessee,
        mode: 'write',
        origin: null,
        reusable: false,
        lifeSeconds: 30,
        proof: { kind: 'token', token: room.tokens.lessee as string },
        ...more,
      })
    ).ticket
  const enter = (node: string, ticket: string, more: Parameters<typeof watch>[2] = {}) =>
    watch(room.url, node, { query: { ticket }, protocols: [], ...more })

  it('opens one console once', async () => {
    const node = await room.node()
    const other = await room.node()
    await up(node)
    const one = await ticket(node)
    expect(await refusal(enter(other, one))).toBe('HTTP 401')
    // A try at the wrong node has used it up.
    expect(await refusal(enter(node, one))).toBe('HTTP 401')
    const two = await ticket(node)
    const tries = await Promise.allSettled(Array.from({ length: 10 }, () => enter(node, two)))
    expect(tries.filter((each) => each.status === 'fulfilled')).toHaveLength(1)
  })

  it('is for the page it was made for, and another page does not use it up', async () => {
    const node = await room.node()
    await up(node)
    const one = await ticket(node, { origin: 'https://console.example.org' })
    expect(await refusal(enter(node, one, { origin: 'https://evil.example' }))).toBe('HTTP 401')
    expect(await refusal(enter(node, one))).toBe('HTTP 401')
    await enter(node, one, { origin: 'https://console.example.org' })
    const two = await ticket(node)
    expect(await refusal(enter(node, two, { origin: 'https://evil.example' }))).toBe('HTTP 401')
    await enter(node, two)
  })

  it('is worth nothing when it is over, when the lease is, or when what it was got with is', async () => {
    const node = await room.node()
    await up(node)
    const late = await ticket(node, { lifeSeconds: 0 })
    expect(await refusal(enter(node, late))).toBe('HTTP 401')
    const orphan = await ticket(node, { proof: { kind: 'token', token: 'lh_gone' } })
    expect(await refusal(enter(node, orphan))).toBe('HTTP 401')
    const old = await ticket(node, { reusable: true, lifeSeconds: 600 })
    await enter(node, old, { path: '/' }).then((watcher) => watcher.close())
    await enter(node, old, { path: '/' })
    await set(node, { lessee: null })
    await set(node, { lessee: room.projects.lessee })
    expect(await refusal(enter(node, old, { path: '/' }))).toBe('HTTP 401')
  })

  it('is not in the database, nor the token it was got with', async () => {
    const node = await room.node()
    const one = await ticket(node)
    const rows = JSON.stringify(
      await room.db.selectFrom('console_tickets').selectAll().execute(),
      (_key, value) => (value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value),
    )
    expect(rows).not.toContain(one)
    expect(rows).not.toContain(room.tokens.lessee)
  })
})
