/** Switches, their ports and VLAN pools, as the operator has them. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { faultOf, type TestApi, testApi } from '../testing.ts'
import { applySwitchesFile } from './switches-file.ts'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.close())

const admin = (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown) =>
  api.as('system-admin', method, `/v1${path}`, body)
const secret = 'correct horse battery staple'
let serial = 0
const newSwitch = async (more: object = {}) => {
  const body = {
    name: `tor-${++serial}`,
    driver: 'cisco-nxos-nxapi',
    address: '192.0.2.1',
    quarantine_vlan: 998,
    ...more,
  }
  const answer = await admin('POST', '/switches', body)
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)])
  return answer.body
}

describe('a switch', () => {
  it('takes credentials, keeps them sealed, and shows them to nobody', async () => {
    const { uuid, name } = await newSwitch({ credentials: { username: 'leasehold', password: secret } })
    for (const path of ['/switches', `/switches/${uuid}`, `/switches/${name}`])
      expect((await admin('GET', path)).text).not.toContain(secret)
    expect((await admin('GET', `/switches/${uuid}`)).body).toMatchObject({ has_credentials: true })
    const row = await api.db
      .selectFrom('switches')
      .selectAll()
      .where('uuid', '=', uuid)
      .executeTakeFirstOrThrow()
    const { rows } = await api.pool.query('SELECT switches::text AS it FROM switches')
    expect(JSON.stringify(rows)).not.toContain(secret)
    expect(api.deps.vault.open(uuid, row.sealed_credentials as Buffer)).toEqual({
      username: 'leasehold',
      password: secret,
    })
  })

  it('is counted in metrics, with its ports', async () => {
    const { text } = await api.as(null, 'GET', '/metrics')
    expect(text).toMatch(/leasehold_switch_ports\{state="pending"\} 0/)
    expect(text).toMatch(/leasehold_switches\{state="unreachable"\} 0/)
  })

  it('is changed by JSON PATCH; its credentials stay unless they are named', async () => {
    const { uuid } = await newSwitch({ credentials: { username: 'a', password: secret } })
    const moved = await admin('PATCH', `/switches/${uuid}`, [
      { op: 'replace', path: '/address', value: '192.0.2.2' },
      { op: 'add', path: '/trust/host_keys', value: ['SHA256:abc'] },
    ])
    expect(moved.body).toMatchObject({
      address: '192.0.2.2',
      has_credentials: true,
      trust: { host_keys: ['SHA256:abc'] },
    })
    const none = await admin('PATCH', `/switches/${uuid}`, [{ op: 'remove', path: '/credentials' }])
    expect(none.body).toMatchObject({ has_credentials: false })
  })

  it('is refused with a driver that there is none of, when it is made and when it is changed', async () => {
    const body = { name: 'typo', driver: 'openvswitsh', address: '192.0.2.1', quarantine_vlan: 1 }
    const { uuid } = await newSwitch()
    for (const answer of [
      await admin('POST', '/switches', body),
      await admin('PATCH', `/switches/${uuid}`, [{ op: 'replace', path: '/driver', value: 'toString' }]),
    ])
      expect([answer.status, faultOf(answer.body)]).toEqual([
        400,
        expect.stringMatching(/^driver must be one of .*openvswitch/),
      ])
    expect((await admin('GET', '/switches/typo')).status).toBe(404)
  })

  it('is refused with what could end a line at a switch', async () => {
    for (const bad of [
      { name: 'a\nb' },
      { address: 'x\r\ny' },
      { name: '; reload' },
      { quarantine_vlan: 4095 },
    ]) {
      const body = { name: 'ok', driver: 'openvswitch', address: 'y', quarantine_vlan: 1, ...bad }
      expect((await admin('POST', '/switches', body)).status).toBe(400)
    }
    const { uuid } = await newSwitch()
    for (const port of ['a%0Ab', 'a%20b', '%00'])
      expect((await admin('PUT', `/switches/${uuid}/ports/${port}`, { kind: 'node' })).status).toBe(400)
  })

  it('has ports by names with slashes, and goes when they are gone', async () => {
    const { uuid } = await newSwitch()
    const path = `/switches/${uuid}/ports/${encodeURIComponent('Ethernet1/1')}`
    const made = await admin('PUT', path, { kind: 'node', owner: api.projects.owner, mtu: 9216 })
    expect(made.body).toMatchObject({ name: 'Ethernet1/1', kind: 'node', mtu: 9216, node_uuid: null })
    expect((await admin('PUT', path, { kind: 'uplink' })).body).toMatchObject({ kind: 'uplink', mtu: null })
    expect((await admin('DELETE', `/switches/${uuid}`)).status).toBe(409)
    expect((await admin('DELETE', path)).status).toBe(204)
    expect((await admin('DELETE', path)).status).toBe(404)
    expect((await admin('DELETE', `/switches/${uuid}`)).status).toBe(204)
  })
})

describe('a VLAN pool', () => {
  it('counts what is free, grows and shrinks, and shares no VLAN with another', async () => {
    const pool = await admin('POST', '/vlan_pools', { name: 'a', ranges: '100-109' })
    expect(pool.body).toMatchObject({ physical_network: 'default', free: 10, used: 0, leaving: 0 })
    const other = await admin('POST', '/vlan_pools', { name: 'b', ranges: '109-110' })
    expect([other.status, faultOf(other.body)]).toEqual([409, expect.stringContaining('VLAN 109')])
    expect((await admin('GET', '/vlan_pools')).body.vlan_pools).toHaveLength(1)
    const elsewhere = { name: 'b', ranges: '109', physical_network: 'other' }
    expect((await admin('POST', '/vlan_pools', elsewhere)).status).toBe(201)
    const grown = [{ op: 'replace', path: '/ranges', value: '105-119' }]
    expect((await admin('PATCH', '/vlan_pools/a', grown)).body).toMatchObject({ free: 15 })
    await api.db.updateTable('vlans').set({ state: 'used' }).where('vlan', '=', 110).execute()
    const cut = await admin('PATCH', '/vlan_pools/a', [{ op: 'replace', path: '/ranges', value: '105' }])
    expect([cut.status, faultOf(cut.body)]).toEqual([409, expect.stringContaining('VLAN 110')])
    expect((await admin('DELETE', '/vlan_pools/a')).status).toBe(409)
    await api.db.updateTable('vlans').set({ state: 'free' }).execute()
    expect((await admin('DELETE', '/vlan_pools/a')).status).toBe(204)
  })

  it('never has the VLAN in which a switch puts idle ports', async () => {
    await newSwitch({ quarantine_vlan: 997 })
    const pool = await admin('POST', '/vlan_pools', { name: 'c', ranges: '990-999' })
    expect([pool.status, faultOf(pool.body)]).toEqual([409, expect.stringMatching(/VLAN 99[78]/)])
  })
})

describe('the file of switches', () => {
  const write = async (text: string): Promise<string> => {
    const path = join(await mkdtemp(join(tmpdir(), 'switches-')), 'switches.yaml')
    await writeFile(path, text)
    return path
  }

  it('is put into the database, and put again changes nothing but what it says', async () => {
    const path = await write(`
vlan_pools:
  - { name: from-file, physical_network: hall-2, ranges: 200-209 }
switches:
  - name: tor-file
    driver: openvswitch
    address: unix:/run/db.sock
    physical_network: hall-2
    quarantine_vlan: 3000
    credentials: { username: a, password: ${secret} }
    ports:
      Ethernet1/1: { kind: node, owner: "*", mtu: 9000 }
      Ethernet1/2: { kind: uplink }
`)
    for (let times = 0; times < 2; times++) {
      await applySwitchesFile(api.deps, path)
      expect((await admin('GET', '/switches/tor-file')).body).toMatchObject({
        quarantine_vlan: 3000,
        has_credentials: true,
      })
      expect((await admin('GET', '/switches/tor-file/ports')).body.ports).toMatchObject([
        { name: 'Ethernet1/1', kind: 'node', owner: '*', mtu: 9000 },
        { name: 'Ethernet1/2', kind: 'uplink' },
      ])
      expect((await admin('GET', '/vlan_pools/from-file')).body).toMatchObject({ free: 10 })
    }
  })

  it.each([
    ['no YAML', 'a: [', /switches.yaml/],
    ['an unknown word', 'switchs: []', /switchs/],
    [
      'a wrong kind of port',
      'switches: [{name: a, driver: b, address: c, quarantine_vlan: 1, ports: {x: {kind: trunk}}}]',
      /kind/,
    ],
    [
      'an unknown driver',
      'switches: [{name: a, driver: b, address: c, quarantine_vlan: 1}]',
      /driver must be one of/,
    ],
    ['a range that is none', 'vlan_pools: [{name: z, ranges: 5-1}]', /5-1/],
  ])('with %s is refused, and says where', async (_, text, words) => {
    await expect(applySwitchesFile(api.deps, await write(text))).rejects.toThrow(words)
  })
})
