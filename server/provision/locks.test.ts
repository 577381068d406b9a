import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { takeLock } from '../inventory/index.ts'
import { changeNodeUnseen, held, holdOf } from './nodes.sql.ts'
import { historyOf, readNode, settled, until } from './testing/nodes.ts'
import { caller, openRoom, type Room } from './testing/room.ts'

let room: Room
beforeAll(async () => {
  room = await openRoom({
    'conductor.workers': 40,
    'conductor.callback_timeout_seconds': 2,
    'conductor.workflow_retention_seconds': 0,
    'conductor.step_timeout_seconds': 10,
  })
})
afterAll(() => room.close())

const free = { reservation: null, workflow_id: null, work: null }
/** Holds an effect until it is let go. */
function holdBack(effect: string, uuid: string): () => void {
  let letGo: () => void = () => {}
  const held = new Promise<undefined>((done) => {
    letGo = () => done(undefined)
  })
  room.script.set(`${effect} ${uuid}`, () => held)
  return letGo
}

describe('while a node is busy', () => {
  it('it is locked: what its state would forbid anyway, and what it would allow, answers 409', async () => {
    const uuid = await room.enrol({ provision_state: 'available' })
    const letGo = holdBack('deploy.write', uuid)
    await room.begin(uuid, 'active')
    expect(await readNode(room.store.db, uuid)).toMatchObject({
      provision_state: 'deploying',
      target_provision_state: 'active',
      reservation: 'here',
      workflow_id: `${uuid}:1`,
    })
    const locked = { code: 'conflict', message: new RegExp(`^Node ${uuid} is locked by host here`) }
    await expect(room.begin(uuid, 'active')).rejects.toMatchObject(locked)
    const node = await readNode(room.store.db, uuid)
    await expect(room.provisioner.setPower({ node, target: 'power off', caller })).rejects.toMatchObject(
      locked,
    )
    await expect(
      takeLock(room.store.db, uuid, { host: 'x', attempts: 1, intervalMs: 1 }),
    ).rejects.toMatchObject(locked)
    letGo()
    expect(await settled(room.store.db, uuid)).toMatchObject({ ...free, provision_state: 'active' })
  })

  it('an order that finds the node locked for a moment is taken as soon as it is free', async () => {
    const uuid = await room.enrol({ provision_state: 'available', reservation: 'somebody' })
    setTimeout(
      () => void sql`UPDATE nodes SET reservation = NULL WHERE uuid = ${uuid}`.execute(room.store.db),
      10,
    )
    expect(await room.go(uuid, 'active')).toMatchObject({ provision_state: 'active' })
  })

  it('a wrong state of a free node is 400', async () => {
    const uuid = await room.enrol({ provision_state: 'enroll' })
    await expect(room.begin(uuid, 'active')).rejects.toMatchObject({
      code: 'invalid',
      message: `The requested action "active" can not be performed on node "${uuid}" while it is in state "enroll".`,
    })
  })
})

describe('of orders at the same time', () => {
  it('exactly one wins; the others are told that the node is locked', async () => {
    const uuid = await room.enrol({ provision_state: 'available' })
    const letGo = holdBack('deploy.prepare', uuid)
    const node = await readNode(room.store.db, uuid)
    const orders = await Promise.allSettled(
      Array.from({ length: 16 }, () => room.provisioner.begin({ node, verb: 'active', caller })),
    )
    expect(orders.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const order of orders)
      if (order.status === 'rejected') expect(order.reason).toMatchObject({ code: 'conflict' })
    letGo()
    await settled(room.store.db, uuid)
    expect(room.effects.filter((effect) => effect === `deploy.prepare ${uuid}`)).toHaveLength(1)
    expect((await readNode(room.store.db, uuid)).generation).toBe(1)
  })

  it('one whose caller saw another owner, lessee or state is refused', async () => {
    const uuid = await room.enrol({ provision_state: 'available', owner: 'acme' })
    const seen = await readNode(room.store.db, uuid)
    await sql`UPDATE nodes SET owner = 'other' WHERE uuid = ${uuid}`.execute(room.store.db)
    await expect(room.provisioner.begin({ node: seen, verb: 'active', caller })).rejects.toMatchObject({
      code: 'conflict',
      message: /has changed/,
    })
    await sql`UPDATE nodes SET owner = 'acme', provision_state = 'active' WHERE uuid = ${uuid}`.execute(
      room.store.db,
    )
    await expect(room.provisioner.begin({ node: seen, verb: 'active', caller })).rejects.toMatchObject({
      code: 'invalid',
    })
    await expect(
      room.provisioner.begin({ node: { ...seen, uuid: randomUUID() }, verb: 'active', caller }),
    ).rejects.toMatchObject({ code: 'not-found' })
  })

  it('more than the workers there are get 503 and may retry', async () => {
    const uuids = await Promise.all(
      Array.from({ length: 40 }, () => room.enrol({ provision_state: 'available' })),
    )
    const letGo = uuids.map((uuid) => holdBack('deploy.prepare', uuid))
    for (const uuid of uuids) await room.begin(uuid, 'active')
    const late = await room.enrol({ provision_state: 'available' })
    await expect(room.begin(late, 'active')).rejects.toMatchObject({
      code: 'unavailable',
      retryAfterSeconds: 1,
    })
    for (const each of letGo) each()
    for (const uuid of uuids)
      expect(await settled(room.store.db, uuid)).toMatchObject({ provision_state: 'active' })
  })
})

describe('refused', () => {
  it.each([
    [
      'active in maintenance',
      { provision_state: 'available', maintenance: true },
      'active',
      {},
      'invalid',
      /maintenance/,
    ],
    [
      'deploy, its other name, too',
      { provision_state: 'available', maintenance: true },
      'deploy',
      {},
      'invalid',
      /maintenance/,
    ],
    [
      'rescue in maintenance',
      { provision_state: 'active', maintenance: true },
      'rescue',
      { rescuePassword: 'x' },
      'invalid',
      /maintenance/,
    ],
    [
      'provide of a retired node',
      { provision_state: 'manageable', retired: true },
      'provide',
      {},
      'invalid',
      /retired/,
    ],
    [
      'undeploy of a protected node',
      { provision_state: 'active', protected: true },
      'deleted',
      {},
      'forbidden',
      /protected/,
    ],
    [
      'rebuild of a protected node',
      { provision_state: 'active', protected: true },
      'rebuild',
      {},
      'forbidden',
      /protected/,
    ],
    ['clean without steps', { provision_state: 'manageable' }, 'clean', {}, 'invalid', /clean_steps/],
    ['service without steps', { provision_state: 'active' }, 'service', {}, 'invalid', /service_steps/],
    [
      'rescue with a blank password',
      { provision_state: 'active' },
      'rescue',
      { rescuePassword: ' ' },
      'invalid',
      /rescue_password/,
    ],
    [
      'a configdrive with another verb',
      { provision_state: 'manageable' },
      'provide',
      { configdrive: 'x' },
      'invalid',
      /configdrive/,
    ],
    [
      'a step without a name',
      { provision_state: 'manageable' },
      'clean',
      { cleanSteps: [{ interface: 'deploy', step: '' }] },
      'invalid',
      /needs "step"/,
    ],
    [
      'vendor.send_raw',
      { provision_state: 'manageable' },
      'clean',
      { cleanSteps: [{ interface: 'vendor', step: 'send_raw' }] },
      'invalid',
      /not allowed/,
    ],
  ] as const)('%s', async (_what, node, verb, options, code, message) => {
    const uuid = await room.enrol(node)
    await expect(room.begin(uuid, verb, options)).rejects.toMatchObject({ code, message })
    expect(await readNode(room.store.db, uuid)).toMatchObject({
      ...free,
      provision_state: node.provision_state,
    })
  })

  it('maintenance does not stand in the way of undeploy', async () => {
    const uuid = await room.enrol({ provision_state: 'active', maintenance: true })
    expect(await room.go(uuid, 'deleted')).toMatchObject({ provision_state: 'available', maintenance: true })
  })

  it('a node whose driver or group no conductor serves', async () => {
    const uuid = await room.enrol({ provision_state: 'available', conductor_group: 'elsewhere' })
    await expect(room.begin(uuid, 'active')).rejects.toMatchObject({
      code: 'not-found',
      message: /^No valid host was found/,
    })
  })
})

it('whoever has lost the lock can not write: another taking, another host, another take-up', async () => {
  const uuid = await room.enrol({ provision_state: 'available' })
  const letGo = holdBack('deploy.write', uuid)
  await room.begin(uuid, 'active')
  const hold = holdOf(await readNode(room.store.db, uuid), 'here')
  for (const lost of [{ generation: 0 }, { host: 'there' }, { takeUps: 1 }, { workflowId: `${uuid}:0` }])
    expect(await changeNodeUnseen(room.store.db, held({ ...hold, ...lost }), { last_error: 'stale' })).toBe(
      false,
    )
  expect(await changeNodeUnseen(room.store.db, held(hold), { last_error: null })).toBe(true)
  letGo()
  expect(await settled(room.store.db, uuid)).toMatchObject({
    ...free,
    provision_state: 'active',
    last_error: null,
  })
})

describe('what is left lying', () => {
  it('a busy state that nobody holds goes to its fail state and says so', async () => {
    const uuid = await room.enrol({ provision_state: 'deploying', target_provision_state: 'active' })
    expect(await settled(room.store.db, uuid)).toMatchObject({
      ...free,
      provision_state: 'deploy failed',
      last_error: /^Nobody works on the node although it is in state "deploying"/,
    })
    expect((await historyOf(room.store.db, uuid)).at(-1)?.event_type).toBe('startup failure')
  })

  it('an order whose process died right after writing it is begun', async () => {
    const uuid = await room.enrol({ provision_state: 'available' })
    const work = JSON.stringify({ workflow: 'deploy', caller, steps: null, from: 0 })
    await sql`UPDATE nodes SET provision_state = 'deploying', target_provision_state = 'active', reservation = 'here',
      generation = 7, workflow_id = ${`${uuid}:7`}, work = ${work}::jsonb WHERE uuid = ${uuid}`.execute(
      room.store.db,
    )
    expect(await settled(room.store.db, uuid)).toMatchObject({ ...free, provision_state: 'active' })
  })

  it('a wait that is too long fails, and what must be undone is', async () => {
    const uuid = await room.enrol({ provision_state: 'available', power_state: 'power on' })
    room.script.set(`deploy.write ${uuid}`, async () => 'wait')
    expect(await room.go(uuid, 'active')).toMatchObject({ provision_state: 'wait call-back' })
    await until(
      'the wait ends',
      async () => (await readNode(room.store.db, uuid)).provision_state === 'deploy failed',
    )
    expect(await settled(room.store.db, uuid)).toMatchObject({
      ...free,
      last_error: /^Timeout: .* within 2 s in "wait call-back"/,
    })
    expect(room.effects).toContain(`power.off ${uuid}`)
  })

  it('records of ended workflows are deleted', async () => {
    await room.go(await room.enrol(), 'manage')
    // So is one of long ago that never ended, when no node knows of it.
    await sql`INSERT INTO dbos.workflow_status (workflow_uuid, status, name, created_at, application_name)
      VALUES ('abandoned', 'PENDING', 'deploy', 0, 'leasehold')`.execute(room.store.db)
    await until('they are gone', async () => {
      const { rows } = await sql<{ count: string }>`
        SELECT (SELECT count(*) FROM dbos.workflow_status) + (SELECT count(*) FROM dbos.operation_outputs) AS count`.execute(
        room.store.db,
      )
      return rows[0]?.count === '0'
    })
  })

  it('locks that requests of an earlier process held are released at the start; locks of others stay', async () => {
    const mine = await room.enrol({ reservation: 'here' })
    const others = await room.enrol({ reservation: 'there' })
    await room.provisioner.stop()
    await room.provisioner.start()
    expect(await readNode(room.store.db, mine)).toMatchObject({ reservation: null })
    expect(await readNode(room.store.db, others)).toMatchObject({ reservation: 'there' })
  })

  it('a conductor that stops says so, and a stopped room hands nothing to itself', async () => {
    const begun = Date.now()
    await room.provisioner.stop()
    expect(Date.now() - begun).toBeLessThan(2_000)
    const row = await room.store.db.selectFrom('conductors').selectAll().executeTakeFirstOrThrow()
    expect(row).toMatchObject({ hostname: 'here', online: false })
    const uuid = await room.enrol({ provision_state: 'available' })
    await expect(room.begin(uuid, 'active')).rejects.toMatchObject({ code: 'unavailable' })
    await room.provisioner.start()
    expect(await room.go(uuid, 'active')).toMatchObject({ provision_state: 'active' })
    await sleep(10)
  })
})
