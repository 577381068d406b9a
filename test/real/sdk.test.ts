/** openstacksdk, unmodified: every method of `conn.baremetal`, by the administrator and by tenants. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Returned, resource, type Sdk, type SdkProcess, startSdk } from './sdk.ts'
import { type DemoService, startService } from './service.ts'

let service: DemoService
let sdk: SdkProcess
let [admin, owner, lessee, stranger] = [] as unknown as [Sdk, Sdk, Sdk, Sdk]
/** A machine of the owner's that nobody leases, and one that the lessee leases. */
let [own, lent] = ['', '']

beforeAll(async () => {
  service = await startService()
  sdk = await startSdk(service.clouds)
  ;[admin, owner, lessee, stranger] = ['leasehold', 'owner', 'lessee', 'stranger'].map(sdk.as) as [
    Sdk,
    Sdk,
    Sdk,
    Sdk,
  ]
  own = (await owner('create_node', { name: 'own', driver: 'fake-hardware', provision_state: 'manageable' }))
    .id
  const { lessee: project } = await admin('get_node', 'machine-1')
  lent = (await owner('create_node', { name: 'lent', driver: 'fake-hardware', lessee: project })).id
})
afterAll(async () => {
  await sdk?.close()
  await service?.end()
})

const names = (rows: Returned[]): string[] => rows.map(({ name }) => name).sort()
const ids = (rows: Returned[]): string[] => rows.map(({ id }) => id)
const until = (reached: () => Promise<boolean>) => expect.poll(reached, { timeout: 15_000 }).toBe(true)
const hidden = { status: 404 }
const forbidden = { status: 403 }
const inState = { wait: true, timeout: 30 }

/** Methods that no test here calls, and why. */
const excused: Readonly<Record<string, string>> = {}

test('chassis are the administrator’s', async () => {
  const { id } = await admin('create_chassis', { description: 'rack 1', extra: { row: 'a' } })
  expect(ids(await admin('chassis'))).toContain(id)
  expect(await admin('chassis', { details: true })).toContainEqual(
    expect.objectContaining({ id, extra: { row: 'a' } }),
  )
  expect(await admin('find_chassis', id)).toMatchObject({ id })
  expect(await admin('find_chassis', 'no-such')).toBeNull()
  expect(await admin('get_chassis', id, ['description'])).toMatchObject({
    description: 'rack 1',
    extra: null,
  })
  expect(await admin('update_chassis', id, { description: 'rack 2' })).toMatchObject({
    description: 'rack 2',
  })
  const patch = [{ op: 'replace', path: '/extra/row', value: 'b' }]
  expect(await admin('patch_chassis', id, patch)).toMatchObject({ extra: { row: 'b' } })
  await expect(owner('create_chassis', { description: 'mine' })).rejects.toMatchObject(forbidden)
  await admin('delete_chassis', id)
  await expect(admin('get_chassis', id)).rejects.toMatchObject(hidden)
})

test('drivers and conductors', async () => {
  expect(names(await admin('drivers'))).toEqual(['fake-hardware', 'ipmi'])
  const [driver] = await admin('drivers', { details: true })
  expect(driver).toMatchObject({ name: 'fake-hardware', default_power_interface: 'fake' })
  expect(await admin('get_driver', 'ipmi')).toMatchObject({ name: 'ipmi', hosts: [expect.any(String)] })
  expect(await admin('list_driver_vendor_passthru', 'fake-hardware')).toMatchObject({
    echo: { async: false, http_methods: expect.arrayContaining(['POST']) },
  })
  expect(
    await admin('call_driver_vendor_passthru', 'fake-hardware', 'POST', 'echo', { body: { word: 'hello' } }),
  ).toEqual({ status: 200, body: { word: 'hello' } })
  const [conductor] = await admin('conductors', { detail: true })
  expect(conductor).toMatchObject({ alive: true, drivers: ['fake-hardware', 'ipmi'] })
  expect(await admin('get_conductor', conductor.hostname)).toMatchObject({ hostname: conductor.hostname })
  await expect(stranger('get_conductor', conductor.hostname)).rejects.toMatchObject(forbidden)
})

describe('nodes', () => {
  test('are listed to those whose they are', async () => {
    const leased = ['lent', 'machine-1', 'machine-2']
    expect(names(await lessee('nodes'))).toEqual(leased)
    expect(names(await stranger('nodes'))).toEqual([])
    expect(names(await owner('nodes'))).toEqual(
      ['lent', 'machine-1', 'machine-2', 'machine-3', 'machine-4', 'machine-5', 'machine-6', 'own'].sort(),
    )
    expect(names(await lessee('nodes', { details: true, driver: 'ipmi', limit: 1 }))).toEqual(leased.slice(1))
  })

  test('are made in a state, found, changed and deleted', async () => {
    const made = await admin('create_node', {
      name: 'made',
      driver: 'fake-hardware',
      provision_state: 'manageable',
      properties: { cpus: 4 },
    })
    expect(made).toMatchObject({ name: 'made', provision_state: 'manageable' })
    expect(await admin('find_node', 'made')).toMatchObject({ id: made.id })
    expect(await admin('find_node', 'no-such')).toBeNull()
    expect(await admin('get_node', 'made', ['properties'])).toMatchObject({
      properties: { cpus: 4 },
      name: null,
    })
    expect(await admin('update_node', made.id, { resource_class: 'big' })).toMatchObject({
      resource_class: 'big',
    })
    const patch = [{ op: 'add', path: '/extra/rack', value: 'r7' }]
    expect(await admin('patch_node', made.id, patch)).toMatchObject({ extra: { rack: 'r7' } })
    await expect(stranger('get_node', made.id)).rejects.toMatchObject(hidden)
    await expect(stranger('delete_node', made.id, { ignore_missing: false })).rejects.toMatchObject(hidden)
    await admin('delete_node', made.id)
    await admin('wait_for_delete', resource('node.Node', made.id), { interval: 1, wait: 20 })
    await expect(admin('get_node', made.id)).rejects.toMatchObject(hidden)
  })

  test('a lessee changes what is its own, and nothing of the owner’s', async () => {
    expect(await lessee('update_node', lent, { extra: { mine: 'yes' } })).toMatchObject({
      extra: { mine: 'yes' },
    })
    await expect(lessee('update_node', lent, { driver_info: { a: 'b' } })).rejects.toMatchObject(forbidden)
    await expect(lessee('update_node', lent, { owner: null })).rejects.toMatchObject(forbidden)
    await expect(lessee('delete_node', lent)).rejects.toMatchObject(forbidden)
  })

  test('validation, and maintenance with its reason', async () => {
    expect(await owner('validate_node', own)).toMatchObject({ power: { result: true, reason: null } })
    expect(await owner('set_node_maintenance', own, 'a fan')).toMatchObject({
      is_maintenance: true,
      maintenance_reason: 'a fan',
    })
    expect(await owner('unset_node_maintenance', own)).toMatchObject({ is_maintenance: false })
    await expect(stranger('set_node_maintenance', own, 'no')).rejects.toMatchObject(hidden)
  })

  test('power', async () => {
    await lessee('set_node_power_state', lent, 'power on', inState)
    expect(await lessee('wait_for_node_power_state', lent, 'power on', 5)).toMatchObject({
      power_state: 'power on',
    })
    await lessee('set_node_power_state', lent, 'soft power off', inState)
    await owner('wait_for_node_reservation', lent, 10)
    expect(await owner('get_node', lent)).toMatchObject({ power_state: 'power off', reservation: null })
    await expect(stranger('set_node_power_state', lent, 'power on')).rejects.toMatchObject(hidden)
  })

  test('what a machine boots from and how, and its interrupt', async () => {
    expect(await owner('get_node_supported_boot_devices', own)).toMatchObject({
      supported_boot_devices: expect.arrayContaining(['pxe', 'disk']),
    })
    await owner('set_node_boot_device', own, 'disk', true)
    expect(await owner('get_node_boot_device', own)).toEqual({ boot_device: 'disk', persistent: true })
    await owner('set_node_boot_mode', own, 'uefi')
    await until(async () => (await owner('get_node', own)).boot_mode === 'uefi')
    await owner('set_node_secure_boot', own, true)
    await until(async () => (await owner('get_node', own)).is_secure_boot === true)
    await owner('inject_nmi_to_node', own)
    await expect(stranger('inject_nmi_to_node', own)).rejects.toMatchObject(hidden)
  })

  test('traits', async () => {
    const traits = async () => (await owner('get_node', own)).traits.sort()
    await owner('set_node_traits', own, ['CUSTOM_A', 'CUSTOM_B'])
    await owner('add_node_trait', own, 'CUSTOM_C')
    expect(await owner('remove_node_trait', own, 'CUSTOM_A')).toBe(true)
    await expect(owner('remove_node_trait', own, 'CUSTOM_A')).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining("doesn't have a trait"),
    })
    expect(await traits()).toEqual(['CUSTOM_B', 'CUSTOM_C'])
  })

  test('vendor methods are the administrator’s, as in Ironic', async () => {
    expect(await admin('list_node_vendor_passthru', own)).toHaveProperty('echo')
    expect(
      await admin('call_node_vendor_passthru', own, 'POST', 'echo', { body: { word: 'hello' } }),
    ).toMatchObject({ status: 200, body: { word: 'hello' } })
    await expect(owner('list_node_vendor_passthru', own)).rejects.toMatchObject(forbidden)
    await expect(stranger('list_node_vendor_passthru', own)).rejects.toMatchObject(hidden)
  })

  test('the console is the owner’s, as in Ironic', async () => {
    await owner('enable_node_console', own)
    await until(async () => (await owner('get_node_console', own)).console_enabled === true)
    await owner('disable_node_console', own)
    await until(async () => (await owner('get_node_console', own)).console_enabled === false)
    await expect(lessee('get_node_console', lent)).rejects.toMatchObject(forbidden)
    await expect(stranger('get_node_console', own)).rejects.toMatchObject(hidden)
  })

  test('virtual media, by their kind or all', async () => {
    const media = async () => Object.keys((await admin('get_node', lent)).driver_internal_info.fake.media)
    for (const kind of ['cdrom', 'floppy'])
      await lessee('attach_vmedia_to_node', lent, kind, 'http://127.0.0.1/image.iso')
    expect((await media()).sort()).toEqual(['cdrom', 'floppy'])
    await lessee('detach_vmedia_from_node', lent, ['cdrom'])
    expect(await media()).toEqual(['floppy'])
    await lessee('detach_vmedia_from_node', lent)
    expect(await media()).toEqual([])
    await expect(stranger('detach_vmedia_from_node', lent)).rejects.toMatchObject(hidden)
  })

  test('firmware', async () => {
    expect((await owner('list_node_firmware', own)).firmware).toContainEqual(
      expect.objectContaining({ component: 'bmc', current_version: expect.any(String) }),
    )
    await expect(stranger('list_node_firmware', own)).rejects.toMatchObject(hidden)
  })

  test('virtual interfaces: the noop network takes all, and keeps none', async () => {
    const vif = '7f1c1a52-3f3b-4a4e-9c39-3a8e21d2ea11'
    await lessee('attach_vif_to_node', lent, vif)
    expect(await lessee('list_node_vifs', lent)).toEqual([])
    expect(await lessee('detach_vif_from_node', lent, vif)).toBe(true)
    await expect(stranger('list_node_vifs', lent)).rejects.toMatchObject(hidden)
  })

  test('inspection leaves an inventory', async () => {
    await owner('set_node_provision_state', own, 'inspect', inState)
    expect(await owner('get_node_inventory', own)).toMatchObject({ inventory: { cpu: expect.anything() } })
    await expect(stranger('get_node_inventory', own)).rejects.toMatchObject(hidden)
  })

  test('through the states: cleaned, provided, deployed, rescued, rebuilt, undeployed', async () => {
    const steps = [{ interface: 'deploy', step: 'erase_devices_metadata' }]
    const set = (who: Sdk, target: string, more = {}) =>
      who('set_node_provision_state', own, target, { ...inState, ...more })
    expect(await set(owner, 'clean', { clean_steps: steps })).toMatchObject({ provision_state: 'manageable' })
    expect(await set(owner, 'provide')).toMatchObject({ provision_state: 'available' })
    const config_drive = { meta_data: { name: 'a' } }
    await owner('update_node', own, { instance_info: { image_source: 'http://127.0.0.1/image' } })
    expect(await set(owner, 'active', { config_drive })).toMatchObject({ provision_state: 'active' })
    await owner('set_node_provision_state', own, 'rescue', { rescue_password: 'let-me-in' })
    expect(await owner('wait_for_nodes_provision_state', [own], 'rescue', 30)).toMatchObject([
      { id: own, provision_state: 'rescue' },
    ])
    await owner('set_node_provision_state', own, 'unrescue')
    expect(
      await owner('wait_for_nodes_provision_state', [own], 'active', { timeout: 30, fail: false }),
    ).toMatchObject({ success: [{ id: own }], failure: [], timeout: [] })
    expect(await set(owner, 'rebuild')).toMatchObject({ provision_state: 'active' })
    expect(await set(owner, 'deleted')).toMatchObject({ provision_state: 'available' })
    await expect(set(stranger, 'manage')).rejects.toMatchObject(hidden)
  })
})

/** What belongs to a node: the same acts on each kind, by its owner; a stranger sees nothing. */
describe.each([
  {
    one: 'port',
    many: 'ports',
    attributes: { address: '52:54:00:00:00:01' },
    change: { extra: { switch: 's1' } },
    patch: [{ op: 'replace', path: '/address', value: '52:54:00:00:00:02' }],
    patched: { address: '52:54:00:00:00:02' },
  },
  {
    one: 'port_group',
    many: 'port_groups',
    attributes: { name: 'bond', address: '52:54:00:00:01:01' },
    change: { mode: '802.3ad' },
    patch: [{ op: 'replace', path: '/name', value: 'bond-2' }],
    patched: { name: 'bond-2' },
  },
  {
    one: 'volume_connector',
    many: 'volume_connectors',
    attributes: { type: 'iqn', connector_id: 'iqn.2026-01.test:one' },
    change: { extra: { a: 'b' } },
    patch: [{ op: 'replace', path: '/connector_id', value: 'iqn.2026-01.test:two' }],
    patched: { connector_id: 'iqn.2026-01.test:two' },
  },
  {
    one: 'volume_target',
    many: 'volume_targets',
    attributes: { volume_type: 'iscsi', volume_id: 'v1', boot_index: 0 },
    change: { extra: { a: 'b' } },
    patch: [{ op: 'replace', path: '/volume_id', value: 'v2' }],
    patched: { volume_id: 'v2' },
  },
])('$many', ({ one, many, attributes, change, patch, patched }) => {
  test('made, listed, found, shown, changed, deleted', async () => {
    await owner('set_node_power_state', lent, 'power off', inState)
    const { id } = await owner(`create_${one}`, { ...attributes, node_id: lent })
    expect(ids(await owner(many, { node: lent }))).toContain(id)
    expect(await owner(many, { details: true })).toContainEqual(
      expect.objectContaining({ id, node_id: lent, ...attributes }),
    )
    expect(await owner(`find_${one}`, id)).toMatchObject({ id })
    expect(await owner(`find_${one}`, '9e3ff1e2-0000-4000-8000-000000000000')).toBeNull()
    expect(await owner(`get_${one}`, id, ['uuid'])).toMatchObject({ id, node_id: null })
    expect(await owner(`update_${one}`, id, change)).toMatchObject(change)
    expect(await owner(`patch_${one}`, id, patch)).toMatchObject(patched)
    await expect(stranger(`get_${one}`, id)).rejects.toMatchObject(hidden)
    expect(await stranger(many)).toEqual([])
    await owner(`delete_${one}`, id)
    await expect(owner(`get_${one}`, id)).rejects.toMatchObject(hidden)
  })
})

test('an allocation takes a node of the project’s, waits, is changed, and gives it back', async () => {
  const take = (who: Sdk, name: string) =>
    who('create_allocation', { name, resource_class: 'baremetal', candidate_nodes: ['machine-3'] })
  const { id } = await take(owner, 'mine')
  expect(await owner('wait_for_allocation', id, 20)).toMatchObject({ state: 'active', last_error: null })
  await owner('wait_for_status', resource('allocation.Allocation', id), 'active', [], 1, 10, {
    attribute: 'state',
  })
  expect(ids(await owner('allocations'))).toEqual([id])
  expect(await owner('get_allocation', id, ['name'])).toMatchObject({ name: 'mine' })
  expect(await owner('update_allocation', id, { name: 'still-mine' })).toMatchObject({ name: 'still-mine' })
  const patch = [{ op: 'add', path: '/extra/for', value: 'a test' }]
  expect(await owner('patch_allocation', id, patch)).toMatchObject({ extra: { for: 'a test' } })
  expect(await stranger('allocations')).toEqual([])
  await expect(stranger('get_allocation', id)).rejects.toMatchObject(hidden)
  await owner('delete_allocation', id)
  expect(await owner('allocations')).toEqual([])
})

/** What belongs to no node: the same acts on each kind. */
describe.each([
  {
    one: 'deploy_template',
    many: 'deploy_templates',
    attributes: {
      name: 'CUSTOM_FAST',
      steps: [{ interface: 'bios', step: 'apply_configuration', args: { settings: [] }, priority: 150 }],
    },
    change: { name: 'CUSTOM_FASTER' },
    patch: [{ op: 'add', path: '/extra/a', value: 'b' }],
    patched: { extra: { a: 'b' } },
    find: true,
  },
  {
    one: 'runbook',
    many: 'runbooks',
    attributes: {
      name: 'wipe',
      steps: [{ interface: 'deploy', step: 'erase_devices', args: {}, order: 1 }],
    },
    change: { description: 'erases everything' },
    patch: [{ op: 'add', path: '/extra/a', value: 'b' }],
    patched: { extra: { a: 'b' } },
    find: false,
  },
  {
    one: 'inspection_rule',
    many: 'inspection_rules',
    attributes: {
      description: 'a rule',
      actions: [{ op: 'set-attribute', args: { path: '/extra/seen', value: 'yes' } }],
    },
    change: { description: 'another' },
    patch: [{ op: 'replace', path: '/priority', value: 7 }],
    patched: { priority: 7 },
    find: false,
  },
])('$many', ({ one, many, attributes, change, patch, patched, find }) => {
  test('made, listed, shown, changed, deleted', async () => {
    const { id } = await admin(`create_${one}`, attributes)
    expect(ids(await admin(many))).toContain(id)
    expect(ids(await admin(many, { details: true }))).toContain(id)
    if (find) expect(await admin(`find_${one}`, id)).toMatchObject({ id })
    expect(await admin(`get_${one}`, id)).toMatchObject({ id, ...attributes })
    expect(await admin(`update_${one}`, id, change)).toMatchObject(change)
    expect(await admin(`patch_${one}`, id, patch)).toMatchObject(patched)
    expect(await stranger(many).catch(({ status }) => status)).toEqual(one === 'runbook' ? [] : 403)
    await admin(`delete_${one}`, id)
    await expect(admin(`get_${one}`, id)).rejects.toMatchObject(hidden)
  })
})

test('a runbook’s traits', async () => {
  const { id } = await owner('create_runbook', {
    name: 'of-the-owner',
    steps: [{ interface: 'deploy', step: 'erase_devices', args: {}, order: 1 }],
  })
  await owner('set_runbook_traits', id, ['CUSTOM_A', 'CUSTOM_B'])
  await owner('add_runbook_trait', id, 'CUSTOM_C')
  await owner('remove_runbook_trait', id, 'CUSTOM_A')
  expect((await owner('get_runbook', id)).traits.sort()).toEqual(['CUSTOM_B', 'CUSTOM_C'])
  // As in Ironic, and the same for one that does not exist.
  await expect(stranger('set_runbook_traits', id, ['CUSTOM_D'])).rejects.toMatchObject(forbidden)
  await expect(stranger('set_runbook_traits', 'no-such', ['CUSTOM_D'])).rejects.toMatchObject(forbidden)
})

test('no method was forgotten', async () => {
  const left = (await sdk.methods()).filter((method) => !sdk.called.has(method) && !(method in excused))
  expect(left).toEqual([])
})
