/** Many watch, one writes, and nothing is lost on the way. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { type Room, testRoom, until, watch } from './testing.ts'

let store: Store
let room: Room
beforeAll(async () => {
  store = await testStore()
  room = await testRoom(store, { 'console.off_linger_seconds': 1, 'console.watcher_buffer_kb': 256 })
})
afterAll(async () => {
  await room.close()
  await store.close()
})

const come = (
  who: string,
  node: string,
  query: Record<string, string> = {},
  protocols = ['leasehold.console'],
) => watch(room.url, node, { token: room.tokens[who], query, protocols })
const machine = async () => {
  const node = await room.node()
  await until(() => room.line(node).live, 'the line')
  return { node, line: room.line(node) }
}

it('all 256 bytes go both ways', async () => {
  const { node, line } = await machine()
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const watcher = await come('lessee', node)
  line.say(all)
  watcher.type(all)
  await until(() => watcher.bytes.length === 256 && line.typed.length === 256)
  expect(watcher.bytes.equals(all)).toBe(true)
  expect(Buffer.from(line.typed, 'latin1').equals(all)).toBe(true)
})

it('a watcher comes to what was said before, and resumes at any byte', async () => {
  const { node, line } = await machine()
  line.say('0123456789')
  const first = await come('lessee', node)
  await until(() => first.text === '0123456789')
  const at = await come('lessee', node, { offset: '4', mode: 'read' })
  await until(() => at.text === '456789')
  const none = await come('lessee', node, { offset: '10', mode: 'read' })
  line.say('x')
  await until(() => none.text === 'x')
})

describe('the keyboard', () => {
  it('is one watcher’s: a second looks on, may take it from who is idle or itself, or force it', async () => {
    const { node, line } = await machine()
    const first = await come('lessee', node, { mode: 'write' })
    const second = await come('member', node, { mode: 'write' })
    await until(() => second.last('mode'))
    expect(first.last('hello')?.mode).toBe('write')
    expect(second.last('hello')?.mode).toBe('read')
    expect(second.last('mode')).toMatchObject({ mode: 'read', reason: expect.stringContaining('take') })
    second.type('lost')
    first.type('kept')
    await until(() => line.typed === 'kept')
    second.ask({ type: 'take' })
    await until(() => second.last('error'))
    expect(second.last('error')?.error).toContain('force')
    second.ask({ type: 'force' })
    await until(() => second.controls.filter((each) => each.type === 'error').length === 2)
    expect(second.last('error')?.error).toContain('leasehold:console:force')
    const third = await come('lessee', node, { mode: 'take' })
    await until(() => third.last('mode')?.mode === 'write')
    await until(() => first.last('mode')?.mode === 'read')
    const admin = await come('admin', node, { mode: 'force' })
    await until(() => admin.last('mode')?.mode === 'write')
    expect(third.last('mode')?.reason).toContain('has taken the keyboard')
    await until(() => third.last('watchers')?.watchers.filter((each) => each.mode === 'write').length === 1)
  })

  it('goes to who waited when the writer leaves', async () => {
    const { node, line } = await machine()
    const first = await come('lessee', node)
    const second = await come('member', node)
    await until(() => second.last('mode')?.mode === 'read')
    await first.close()
    await until(() => second.last('mode')?.mode === 'write')
    second.type('mine now')
    await until(() => line.typed === 'mine now')
  })

  it('waits while the machine takes no keys, and loses none', async () => {
    const { node, line } = await machine()
    const watcher = await come('lessee', node)
    await until(() => watcher.last('hello'))
    line.full = true
    for (const key of 'abcdef') watcher.type(key)
    await new Promise((resolve) => setTimeout(resolve, 50))
    line.drain()
    await until(() => line.typed === 'abcdef')
  })

  it('that goes to and fro is asked for only so often, and leaves no flood of records', async () => {
    const { node } = await machine()
    const first = await come('lessee', node)
    const second = await come('lessee', node)
    await until(() => first.last('hello') && second.last('hello'))
    for (let count = 0; count < 500; count += 1) {
      first.ask({ type: 'take' })
      second.ask({ type: 'take' })
      first.ask({ type: 'release' })
      second.ask({ type: 'write' })
    }
    first.ask({ type: 'ping' })
    await until(() => first.last('error')?.error.startsWith('asked too often'))
    await until(() => second.last('error')?.error.startsWith('asked too often'))
    expect(first.controls.filter((each) => each.type === 'mode').length).toBeLessThan(100)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    first.ask({ type: 'ping' })
    await until(() => first.last('pong'))
    const rows = await room.db
      .selectFrom('audit')
      .select('action')
      .where('node_uuid', '=', node)
      .where('action', '<>', 'CONSOLE watch')
      .execute()
    expect(rows).toEqual([{ action: 'CONSOLE write' }])
  })

  it('is on record for each person who has it', async () => {
    const { node } = await machine()
    const lessee = await come('lessee', node)
    const admin = await come('admin', node, { mode: 'force' })
    await until(() => admin.last('mode')?.mode === 'write')
    lessee.ask({ type: 'force' })
    await until(() => lessee.last('mode')?.mode === 'write')
    await lessee.close()
    await until(async () => {
      const rows = await room.db
        .selectFrom('audit')
        .select('action')
        .where('node_uuid', '=', node)
        .orderBy('id')
        .execute()
      const actions = rows.map(({ action }) => action.replace('CONSOLE ', ''))
      return actions.join() === 'watch,write,watch,force,write,force,write,leave'
    })
  })

  it('may send a break, and nobody else', async () => {
    const { node, line } = await machine()
    const writer = await come('lessee', node)
    const reader = await come('member', node, { mode: 'read' })
    reader.ask({ type: 'break' })
    await until(() => reader.last('error'))
    writer.ask({ type: 'break' })
    await until(() => line.breaks === 1)
  })
})

it('without the subprotocol nothing but the machine’s bytes is sent, and text frames are keys', async () => {
  const { node, line } = await machine()
  const watcher = await come('lessee', node, {}, [])
  watcher.ask({ type: 'break' })
  line.say('just this')
  await until(() => watcher.text === 'just this')
  expect(watcher.controls).toEqual([])
  await until(() => line.typed === '{"type":"break"}')
  expect(line.breaks).toBe(0)
})

it('what is no request is told so, and the console goes on', async () => {
  const { node, line } = await machine()
  const watcher = await come('lessee', node)
  for (const wrong of [{}, { type: 'nonesuch' }, { type: 'resize', columns: -1, rows: 1 }, []])
    watcher.ask(wrong)
  await until(() => watcher.controls.filter((each) => each.type === 'error').length === 4)
  line.say('on')
  await until(() => watcher.text === 'on')
})

it('a watcher that stops reading slows nobody, and misses nothing', async () => {
  const { node, line } = await machine()
  const slow = await come('lessee', node)
  const quick = await come('member', node, { mode: 'read' })
  await until(() => slow.last('hello') && quick.last('hello'))
  slow.pause()
  const block = randomBytes(32 * 1024)
  const parts: Buffer[] = []
  for (let index = 0; index < 400; index += 1) {
    parts.push(block)
    line.say(block)
    if (index % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => quick.bytes.length === 400 * block.length, 'the quick one’s bytes', 20_000)
  slow.resume()
  await until(() => slow.bytes.length === 400 * block.length, 'the slow one’s bytes', 20_000)
  expect(slow.bytes.equals(Buffer.concat(parts))).toBe(true)
  expect(slow.last('gap')).toBeUndefined()
})

describe('a line', () => {
  it('that is lost is opened again, and everybody is told', async () => {
    const { node, line } = await machine()
    const watcher = await come('lessee', node)
    await until(() => watcher.last('hello'))
    line.lose('the BMC is dead')
    await until(() => line.opened === 2 && line.live)
    await until(() => watcher.last('state')?.state === 'up')
    expect(watcher.controls).toContainEqual(
      expect.objectContaining({
        type: 'state',
        state: 'backing off',
        reason: expect.stringContaining('does not answer'),
      }),
    )
    line.say('again')
    await until(() => watcher.text === 'again')
    // What the earlier line was is known to the next.
    expect(line.options?.remembered).toEqual({ session: 1 })
  })

  it('that is refused says why and is tried on and on', async () => {
    const node = await room.node({ console_enabled: false })
    const line = room.line(node)
    line.refuse = 'the password is wrong; set driver_info/ipmi_password'
    await room.db.updateTable('nodes').set({ console_enabled: true }).where('uuid', '=', node).execute()
    const state = async () =>
      room.db
        .selectFrom('consoles')
        .select(['state', 'reason'])
        .where('node_uuid', '=', node)
        .executeTakeFirst()
    await until(async () => (await state())?.reason?.includes('password is wrong'))
    line.refuse = undefined
    await until(() => line.live)
    await until(async () => (await state())?.state === 'up')
  })

  it('is opened anew when driver_info changes, and not for other changes', async () => {
    const { node, line } = await machine()
    const change = (fields: Record<string, unknown>) =>
      room.db.updateTable('nodes').set(fields).where('uuid', '=', node).execute()
    await change({ description: 'x', power_state: 'power off' })
    await change({ driver_info: JSON.stringify({ a: 1 }) })
    await until(() => line.opened === 2 && line.live)
  })

  it('stays through off and on; after a while of off it is given back, and the watchers go', async () => {
    const { node, line } = await machine()
    const watcher = await come('lessee', node)
    await until(() => watcher.last('hello'))
    const change = (on: boolean) =>
      room.db.updateTable('nodes').set({ console_enabled: on }).where('uuid', '=', node).execute()
    let sent = ''
    for (let cycle = 0; cycle < 20; cycle += 1) {
      await change(false)
      line.say(`${cycle}a`)
      await change(true)
      line.say(`${cycle}b`)
      sent += `${cycle}a${cycle}b`
    }
    await until(() => watcher.text === sent)
    expect(line.opened).toBe(1)
    await change(false)
    await until(() => watcher.closed, 'the end', 15_000)
    expect(watcher.closed?.code).toBe(4409)
    expect(line.live).toBe(false)
  })
})

it('power and provision changes are told beside the bytes', async () => {
  const { node } = await machine()
  const watcher = await come('lessee', node)
  await until(() => watcher.last('hello'))
  await room.db.updateTable('nodes').set({ power_state: 'power off' }).where('uuid', '=', node).execute()
  await until(() => watcher.last('event')?.event === 'power off')
})

it('a reboot is told when it is asked for and when it is done, though the power is as before', async () => {
  const { node } = await machine()
  const watcher = await come('lessee', node)
  await until(() => watcher.last('hello'))
  const change = (target: string | null) =>
    room.db.updateTable('nodes').set({ target_power_state: target }).where('uuid', '=', node).execute()
  await change('power on')
  await until(() => watcher.last('event')?.event === 'asked for power on')
  await change(null)
  await until(() => watcher.last('event')?.event === 'power on')
})

it('who watches, types and leaves is in the audit', async () => {
  const { node } = await machine()
  const watcher = await come('lessee', node)
  await watcher.close()
  await until(async () => {
    const rows = await room.db.selectFrom('audit').select('action').where('node_uuid', '=', node).execute()
    return ['watch', 'write', 'leave'].every((what) => rows.some((row) => row.action === `CONSOLE ${what}`))
  })
})

describe('of watchers there are', () => {
  it('so many of one project in a process, and then it is told so; another project comes in', async () => {
    const crowded = await room.another({
      'conductor.group': 'crowded',
      'conductor.host': 'crowded',
      'console.max_watchers_per_project': 2,
      'console.max_watchers': 3,
    })
    const enter = (who: string, node: string, protocols = ['leasehold.console']) =>
      watch(crowded.url, node, { token: room.tokens[who], query: { mode: 'read' }, protocols })
    const [one, two] = [
      await room.node({ conductor_group: 'crowded' }),
      await room.node({ conductor_group: 'crowded' }),
    ]
    const own = await room.node({ conductor_group: 'crowded', lessee: null })
    const first = await enter('lessee', one)
    await enter('member', two)
    const third = await enter('lessee', two)
    await until(() => third.closed)
    expect(third.closed).toMatchObject({
      code: 4429,
      reason: expect.stringContaining('has 2 watchers of consoles'),
    })
    await expect(enter('lessee', one, [])).rejects.toThrow('HTTP 429')
    const owner = await enter('owner', own)
    await until(() => owner.last('hello'))
    await first.close()
    const again = await enter('lessee', two)
    await until(() => again.last('hello'))
    // Who was cut, or refused, is not counted any more either.
    await room.db.updateTable('nodes').set({ lessee: null }).where('uuid', '=', two).execute()
    await until(() => again.closed)
    await expect(enter('lessee', two, [])).rejects.toThrow('HTTP 404')
    const last = [await enter('lessee', one), await enter('member', one)]
    await until(() => last.every((each) => each.last('hello')))
    await crowded.close()
  })

  it('so many of one console, which is said otherwise than that it is off', async () => {
    const small = await room.another({
      'conductor.group': 'small',
      'conductor.host': 'small',
      'console.max_watchers': 1,
    })
    const node = await room.node({ conductor_group: 'small' })
    const enter = (url: string) => watch(url, node, { token: room.tokens.lessee, query: { mode: 'read' } })
    const first = await enter(small.url)
    await until(() => first.last('hello'))
    const second = await enter(small.url)
    await until(() => second.closed)
    expect(second.closed).toMatchObject({ code: 4429, reason: expect.stringContaining('has 1 watchers') })
    // By another conductor, too.
    const third = await enter(room.url)
    await until(() => third.closed)
    expect(third.closed?.code).toBe(4429)
    await small.close()
  })
})
