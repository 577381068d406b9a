/** What is wanted of switch ports comes to be, whoever dies on the way; and VLANs are nobody's until they are gone. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { sql } from 'kysely'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { defaultConfig } from '../config.ts'
import type { Node } from '../inventory/index.ts'
import type { Db, Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { createNetworking } from './networking.ts'
import { deleteNetwork, deleteShare, insertNetwork, insertShare } from './networks.sql.ts'
import { insertPool } from './pools.sql.ts'
import { changeSwitch, insertSwitch, putSwitchPorts } from './switches.sql.ts'
import { createFabric, type Fabric, FabricError, until } from './testing.ts'
import type { Networking } from './types.ts'
import { openVault } from './vault.ts'

let store: Store
let db: Db
let directory: string
let fabric: Fabric
const address = '192.0.2.7'
const tenants = ['red', 'green', 'blue']
const signal = AbortSignal.timeout(600_000)

beforeEach(async () => {
  store = await testStore()
  db = store.db
  directory = await mkdtemp(join(tmpdir(), 'keeping-'))
  fabric = createFabric()
  await insertPool(db, { name: 'tenants', physical_network: 'default', ranges: '100-103' })
})
afterEach(async () => {
  await store.close()
  await rm(directory, { recursive: true })
})

const networkingOf = async (own: Partial<Parameters<typeof createNetworking>[0]> = {}): Promise<Networking> =>
  createNetworking({
    db,
    databaseUrl: store.url,
    config: defaultConfig({ 'networking.retry_ms': 10, 'networking.poll_seconds': 1 }),
    log: pino({ level: 'silent' }),
    vault: await openVault(join(directory, 'key')),
    open: fabric.open,
    ...own,
  })

async function switchWith(ports: number): Promise<void> {
  const { id } = await insertSwitch(db, {
    uuid: randomUUID(),
    name: 'tor',
    driver: 'memory',
    address,
    physical_network: 'default',
    quarantine_vlan: 999,
    sealed_credentials: null,
    keeper: null,
    reason: null,
    checked_at: null,
    updated_at: null,
  })
  const names = Array.from({ length: ports }, (_, at) => `Eth${at}`)
  for (const name of names) fabric.at(address).ports.set(name, { mode: 'factory' })
  await putSwitchPorts(db, id, names.map((name) => ({ name, kind: 'node', owner: '*' })) as never)
}

async function nodeOn(port: string, lessee: string | null): Promise<string> {
  const uuid = randomUUID()
  await db
    .insertInto('nodes')
    .values({
      uuid,
      driver: 'fake-hardware',
      owner: 'owner',
      lessee,
      provision_state: 'active',
      interfaces: JSON.stringify({ network: 'switch' }),
    } as never)
    .execute()
  await db
    .insertInto('ports')
    .values({
      uuid: randomUUID(),
      node_uuid: uuid,
      address: `02:00:00:00:${randomUUID().slice(0, 2)}:${randomUUID().slice(0, 2)}`,
      local_link_connection: JSON.stringify({ switch_info: 'tor', port_id: port }),
    } as never)
    .execute()
  return uuid
}
const node = (uuid: string): Promise<Node> =>
  db.selectFrom('nodes').selectAll().where('uuid', '=', uuid).executeTakeFirstOrThrow()
const settled = () =>
  until('all is verified', async () => {
    const { rows } = await sql`SELECT FROM switch_links WHERE generation > verified_generation`.execute(db)
    return rows.length === 0
  })
const network = (project: string): Promise<string> => insertNetwork(db, { project_id: project }, 100)

it('a switch that cannot be opened is tried again when it is changed, and not each second', async () => {
  await switchWith(0)
  let opened = 0
  const networking = await networkingOf({
    config: defaultConfig({ 'networking.poll_seconds': 3600 }),
    open: () => {
      opened += 1
      throw new FabricError('invalid', 'there is no such driver')
    },
  })
  await networking.start()
  try {
    await until('it was tried', async () => opened === 1)
    await sleep(3_000)
    expect(opened).toBe(1)
    const { uuid } = await db.selectFrom('switches').select('uuid').executeTakeFirstOrThrow()
    await changeSwitch(db, uuid, () => ({ driver: 'another' }))
    await until('it is tried again', async () => opened === 2)
  } finally {
    await networking.stop()
  }
})

it('a change that a killed process has half made is made by the next, and its lease is not waited for long', async () => {
  await switchWith(1)
  const uuid = await nodeOn('Eth0', 'red')
  const idle = await networkingOf()
  const report = join(directory, 'report')
  const args = [store.url, join(directory, 'key'), report]
  const child = spawn(
    process.execPath,
    [new URL('./testing/until-killed.ts', import.meta.url).pathname, ...args],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  await until('it has begun', () =>
    readFile(report, 'utf8').then(
      (text) => text.includes('Eth0'),
      () => false,
    ),
  )
  // Meanwhile something else is wanted.
  await idle.attachVif(await node(uuid), { id: await network('red') }, { signal: AbortSignal.timeout(1) })
  child.kill('SIGKILL')
  await once(child, 'exit')
  const before = await db.selectFrom('switches').select(['keeper', 'fence']).executeTakeFirstOrThrow()
  expect(before.keeper).not.toBeNull()
  const next = await networkingOf({ silentMs: 6_000 })
  await next.start()
  try {
    await settled()
    expect(fabric.at(address).ports.get('Eth0')?.mode).toBe('access')
    const after = await db.selectFrom('switches').select(['keeper', 'fence']).executeTakeFirstOrThrow()
    expect(after.keeper).not.toBe(before.keeper)
    expect(Number(after.fence)).toBe(Number(before.fence) + 1)
  } finally {
    await next.stop()
  }
}, 60_000)

it('of two processes one talks to a switch, and the other takes over at once when it stops', async () => {
  await switchWith(1)
  const [one, two] = [await networkingOf(), await networkingOf()]
  await one.start()
  await until('one has it', () => one.census().switches === 1)
  await two.start()
  const uuid = await nodeOn('Eth0', 'red')
  await settled()
  expect(two.census().switches).toBe(0)
  await one.stop()
  try {
    await two.attachVif(await node(uuid), { id: await network('red') }, { signal })
    await settled()
    expect(fabric.at(address).ports.get('Eth0')?.mode).toBe('access')
    expect(two.census().switches).toBe(1)
  } finally {
    await two.stop()
  }
}, 60_000)

type Move =
  | { do: 'attach' | 'detach' | 'lend' | 'deploy' | 'undeploy' | 'replace'; node: number; tenant: number }
  | { do: 'network' | 'remove' | 'share' | 'unshare'; tenant: number; with: number }
  | { do: 'break' | 'mend' | 'restart' | 'fail' }
const index = fc.nat({ max: 2 })
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('attach', 'detach', 'lend', 'deploy', 'deploy', 'attach', 'undeploy', 'replace'),
      node: index,
      tenant: index,
    }) as fc.Arbitrary<Move>,
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('network', 'remove', 'share', 'unshare'),
      tenant: index,
      with: index,
    }) as fc.Arbitrary<Move>,
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('break', 'mend', 'restart', 'fail') }) as fc.Arbitrary<Move>,
  },
)

it('whatever happens in whatever order, a port is in the end in a network of its tenant or in none, and no network begins with a port in it', async () => {
  await switchWith(3)
  let networking = await networkingOf()
  await networking.start()
  const nodes = await Promise.all([0, 1, 2].map((at) => nodeOn(`Eth${at}`, tenants[at] ?? null)))
  await settled()
  const it_ = fabric.at(address)
  let live = 0
  const quietly = (work: Promise<unknown>) =>
    work.catch((error: Error) => {
      // What is refused is refused in words.
      expect(error.constructor.name).toMatch(/^(LeaseholdError|NeutronError)$/)
    })
  const moves: Record<Move['do'], (move: never) => Promise<unknown>> = {
    // A network of the node's tenant, or of another, which is refused unless it is shared.
    async attach({ node: at, tenant }: { node: number; tenant: number }) {
      const now = await node(nodes[at] as string)
      const project = tenant === 0 ? tenants[at] : now.lessee
      const all = await db
        .selectFrom('networks')
        .select('uuid')
        .where('project_id', '=', project ?? '')
        .execute()
      const id = all.at(-1)?.uuid ?? (await network(project ?? '').catch(() => randomUUID()))
      return quietly(networking.attachVif(now, { id }, { signal: AbortSignal.timeout(100) }))
    },
    async detach({ node: at }: { node: number }) {
      const uuid = nodes[at] as string
      const [vif] = await networking.listVifs(await node(uuid))
      if (vif)
        await quietly(networking.detachVif(await node(uuid), vif.id, { signal: AbortSignal.timeout(100) }))
    },
    lend: ({ node: at, tenant }: { node: number; tenant: number }) =>
      db
        .updateTable('nodes')
        .set({ lessee: tenants[tenant] as string })
        .where('uuid', '=', nodes[at] as string)
        .execute(),
    deploy: ({ node: at }: { node: number }) =>
      db
        .updateTable('nodes')
        .set({ provision_state: 'active' })
        .where('uuid', '=', nodes[at] as string)
        .execute(),
    undeploy: ({ node: at }: { node: number }) =>
      db
        .updateTable('nodes')
        .set({ provision_state: 'deleting' })
        .where('uuid', '=', nodes[at] as string)
        .execute(),
    async network({ tenant }: { tenant: number }) {
      const made = await insertNetwork(db, { project_id: tenants[tenant] as string }, 100).catch(
        (error: Error) => {
          expect(error.message).toContain('No VLAN is free')
        },
      )
      if (!made) return
      const { rows } = await sql<{ vlan: number }>`
        SELECT v.vlan FROM networks n JOIN vlans v ON v.id = n.vlan_id WHERE n.uuid = ${made}`.execute(db)
      // At no moment: whatever is broken, late or dead.
      const inIt = [...it_.ports.entries()].filter(
        ([, port]) => port.mode === 'access' && port.vlan === rows[0]?.vlan,
      )
      expect(inIt).toEqual([])
    },
    // A network goes, and another tenant makes one, while the switch does not hear of either.
    async replace({ node: at, tenant }: { node: number; tenant: number }) {
      await moves.break({} as never)
      const now = await node(nodes[at] as string)
      const [vif] = await networking.listVifs(now)
      if (vif) await quietly(networking.detachVif(now, vif.id, { signal: AbortSignal.timeout(20) }))
      for (const { uuid } of await db.selectFrom('networks').select('uuid').execute())
        await quietly(deleteNetwork(db, uuid))
      for (let times = 0; times < 3; times++) await moves.network({ tenant } as never)
    },
    async remove({ tenant }: { tenant: number }) {
      const all = await db
        .selectFrom('networks')
        .select('uuid')
        .where('project_id', '=', tenants[tenant] ?? '')
        .execute()
      if (all[0]) await quietly(deleteNetwork(db, all[0].uuid))
    },
    async share({ tenant, with: other }: { tenant: number; with: number }) {
      const all = await db
        .selectFrom('networks')
        .select('uuid')
        .where('project_id', '=', tenants[tenant] ?? '')
        .execute()
      const share = {
        projectId: tenants[tenant] as string,
        target: tenants[other] as string,
        action: 'access_as_shared' as const,
      }
      if (all[0]) await quietly(insertShare(db, { network: all[0].uuid, ...share }))
    },
    async unshare({ tenant }: { tenant: number }) {
      const shares = await db
        .selectFrom('network_rbac')
        .select(['uuid', 'network_uuid'])
        .where('project_id', '=', tenants[tenant] ?? '')
        .execute()
      if (shares[0]) await quietly(deleteShare(db, shares[0].network_uuid, shares[0].uuid))
    },
    async break() {
      it_.down = new FabricError('unreachable', 'the switch does not answer')
    },
    async mend() {
      it_.down = undefined
      it_.before = undefined
    },
    async fail() {
      let left = 2
      it_.before = () => {
        if (left-- > 0) throw new FabricError('rejected', '% Invalid command')
      }
    },
    async restart() {
      await networking.stop()
      networking = await networkingOf()
      await networking.start()
    },
  }
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(move, { minLength: 8, maxLength: 30 }), async (sequence) => {
        for (const each of sequence) await moves[each.do](each as never)
        await moves.mend({} as never)
        await settled()
        for (const [at, uuid] of nodes.entries()) {
          const port = it_.ports.get(`Eth${at}`)
          expect(port?.mode).toMatch(/^(idle|access)$/)
          if (port?.mode !== 'access') continue
          live++
          const { rows } = await sql<{ may: boolean; state: string }>`
            SELECT network_usable(net.uuid, n.lessee) AS may, n.provision_state AS state
            FROM nodes n, networks net JOIN vlans v ON v.id = net.vlan_id
            WHERE n.uuid = ${uuid} AND v.vlan = ${port.vlan}`.execute(db)
          expect(rows).toEqual([{ may: true, state: 'active' }])
        }
      }),
      { numRuns: 25, endOnFailure: true },
    )
    // The moves do lead somewhere.
    expect(live).toBeGreaterThan(0)
  } finally {
    await networking.stop()
  }
}, 240_000)
