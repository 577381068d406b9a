/** Every command of the installed `openstack baremetal` plug-in, each at least once, in an order that makes sense. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { python } from './clients.ts'
import { type Demo, type Printed, startDemo } from './demo.ts'

let demo: Demo
let directory: string
let commands: string[]

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leasehold-plugin-'))
  const described = {
    chassis: [{ description: 'from a file', nodes: [{ driver: 'fake-hardware', name: 'from-file' }] }],
  }
  await writeFile(join(directory, 'resources.json'), JSON.stringify(described))
  const program = `from importlib.metadata import entry_points
for each in entry_points(group='openstack.baremetal.v1'): print(each.name.removeprefix('baremetal_').replace('_', ' '))`
  const [started, listed] = await Promise.all([startDemo(), promisify(execFile)(python, ['-c', program])])
  demo = started
  commands = listed.stdout.trim().split('\n')
})
afterAll(async () => {
  await demo?.end()
  await rm(directory, { recursive: true, force: true })
})

const id = (number: number): string => `00000000-0000-4000-8000-0000000000${number}`
const [chassis, node, port, group, connector, target] = [10, 11, 12, 13, 14, 15].map(id)
const [template, runbook, rule, vif] = [16, 17, 18, 19].map(id)
const [mac, bondMac] = ['52:54:00:00:0b:01', '52:54:00:00:0b:02']
const steps = (order: string) =>
  `'[{"interface": "deploy", "step": "erase_devices", "args": {}, ${order}: 1}]'`
const actions = `'[{"op": "set-attribute", "args": {"path": "/extra/seen", "value": "yes"}}]'`
/** A row of a list that has this. */
const among = (row: object) => expect.arrayContaining([expect.objectContaining(row)])

/**
 * What is typed after `openstack baremetal`, and what it does: prints an object that matches (asked for as JSON), or
 * text that matches, or nothing. `WAIT NODE STATE` types nothing: the node is to reach the state.
 */
const rows: readonly (readonly [line: string, printed?: Printed])[] = [
  // What there is before anything is made.
  ['driver list', among({ name: 'fake-hardware' })],
  ['driver show fake-hardware', { name: 'fake-hardware', default_power_interface: 'fake' }],
  ['driver property list ipmi', among({ property: 'ipmi_address' })],
  ['driver raid property list fake-hardware', among({ property: 'raid_level' })],
  ['driver passthru list fake-hardware', among({ name: 'echo' })],
  // What a synchronous method answers, this client cannot print: it takes it for a driver with an id.
  ['driver passthru call fake-hardware idle --http-method POST', /^\s*$/],
  ['conductor list', among({ alive: true })],
  ['conductor show HOST', { alive: true, drivers: ['fake-hardware', 'ipmi'] }],
  ['shard list', [{ name: null, count: 12 }]],

  [`chassis create --uuid ${chassis} --description rack --extra a=b`, { uuid: chassis, extra: { a: 'b' } }],
  ['chassis list', among({ uuid: chassis })],
  [`chassis set ${chassis} --description 'the other rack'`],
  [`chassis unset ${chassis} --extra a`],
  [`chassis show ${chassis}`, { description: 'the other rack', extra: {} }],

  [`node create --driver fake-hardware --name one --uuid ${node} --chassis-uuid ${chassis}`, { uuid: node }],
  ['node list', among({ name: 'one' })],
  ['node set one --extra a=b --shard s1 --resource-class plug --target-raid-config RAID'],
  ['node unset one --extra a'],
  ['node show one', { extra: {}, shard: 's1', target_raid_config: { logical_disks: [{ raid_level: '1' }] } }],
  ['node create --driver fake-hardware --name child --parent-node one', { parent_node: node }],
  ['node children list one', { children: [expect.any(String)] }],
  ['node delete child', /Deleted node child/],
  ['shard list', among({ name: 's1', count: 1 })],
  ['node validate one', among({ Interface: 'power', Result: true })],
  ['node maintenance set one --reason fan'],
  ['node maintenance unset one'],

  [`port create ${mac} --node ${node} --uuid ${port} --extra a=b`, { uuid: port, address: mac }],
  ['port list --node one', among({ address: mac })],
  [`port set ${port} --pxe-disabled`],
  [`port unset ${port} --extra a`],
  [`port show ${port}`, { pxe_enabled: false, extra: {} }],
  [`port group create --node ${node} --uuid ${group} --name bond --extra a=b`, { uuid: group, name: 'bond' }],
  ['port group list --node one', among({ name: 'bond' })],
  [`port group set bond --address ${bondMac} --mode 802.3ad`],
  ['port group unset bond --extra a'],
  ['port group show bond', { address: bondMac, mode: '802.3ad', extra: {} }],
  ['port group delete bond', /Deleted port group bond/],
  [`port delete ${port}`, /Deleted port/],

  // Volumes change while the machine is off.
  ['node manage one'],
  ['WAIT one manageable'],
  [
    `volume connector create --node ${node} --uuid ${connector} --type iqn --connector-id iqn.2026-01.test:a --extra a=b`,
    { uuid: connector },
  ],
  ['volume connector list --node one', among({ connector_id: 'iqn.2026-01.test:a' })],
  [`volume connector set ${connector} --connector-id iqn.2026-01.test:b`],
  [`volume connector unset ${connector} --extra a`],
  [`volume connector show ${connector}`, { connector_id: 'iqn.2026-01.test:b', extra: {} }],
  [`volume connector delete ${connector}`, /Deleted volume connector/],
  [
    `volume target create --node ${node} --uuid ${target} --type iscsi --volume-id v1 --boot-index 0 --extra a=b`,
    { uuid: target },
  ],
  ['volume target list --node one', among({ boot_index: 0 })],
  [`volume target set ${target} --volume-id v2`],
  [`volume target unset ${target} --extra a`],
  [`volume target show ${target}`, { volume_id: 'v2', extra: {} }],
  [`volume target delete ${target}`, /Deleted volume target/],

  [
    `deploy template create CUSTOM_T --uuid ${template} --steps ${steps('"priority"')} --extra a=b`,
    { uuid: template },
  ],
  ['deploy template list', among({ name: 'CUSTOM_T' })],
  ['deploy template set CUSTOM_T --name CUSTOM_U'],
  ['deploy template unset CUSTOM_U --extra a'],
  ['deploy template show CUSTOM_U', { extra: {}, steps: [{ step: 'erase_devices' }] }],
  ['deploy template delete CUSTOM_U', /Deleted deploy template/],

  [`runbook create --name book --uuid ${runbook} --steps ${steps('"order"')} --extra a=b`, { uuid: runbook }],
  ['runbook list', among({ name: 'book' })],
  ['runbook set book --description wipes'],
  ['runbook unset book --extra a'],
  ['runbook trait add book CUSTOM_A CUSTOM_B', /Added trait CUSTOM_B/],
  ['runbook trait remove book CUSTOM_B', /Removed trait CUSTOM_B/],
  ['runbook trait list book', among({ traits: 'CUSTOM_A' })],
  ['runbook show book', { description: 'wipes', extra: {}, traits: ['CUSTOM_A'] }],

  [
    `inspection rule create --uuid ${rule} --description first --priority 5 --actions ${actions}`,
    { uuid: rule },
  ],
  ['inspection rule list', among({ uuid: rule })],
  [`inspection rule set ${rule} --description second`],
  [`inspection rule unset ${rule} --description`],
  [`inspection rule show ${rule}`, { description: null, priority: 5 }],

  // The machine itself.
  ['node add trait one CUSTOM_A', /Added trait CUSTOM_A/],
  ['node trait add one CUSTOM_B CUSTOM_C', /Added trait CUSTOM_B/],
  ['node remove trait one CUSTOM_B', /Removed trait CUSTOM_B/],
  ['node trait remove one CUSTOM_C', /Removed trait CUSTOM_C/],
  ['node trait list one', among({ traits: 'CUSTOM_A' })],
  ['node power on one', /^$|power/i],
  ['node reboot one', /^$|power/i],
  ['node power off one', /^$|power/i],
  ['node boot device set one disk --persistent'],
  ['node boot device show one', { boot_device: 'disk', persistent: true }],
  ['node boot mode set one uefi'],
  ['node secure boot on one'],
  ['node secure boot off one'],
  ['node inject nmi one'],
  ['node console enable one'],
  ['node console disable one'],
  ['node console show one', { console_enabled: expect.any(Boolean) }],
  ['node passthru list one', among({ Name: 'echo' })],
  ['node passthru call one echo --http-method POST --arg word=hello', /word.*hello/],
  [`node vif attach one ${vif}`],
  ['node vif list one', []],
  [`node vif detach one ${vif}`],
  ['node bios setting list one', among({ name: 'ProcTurboMode', value: 'Enabled' })],
  ['node bios setting show one ProcTurboMode', { name: 'ProcTurboMode', value: 'Enabled' }],
  ['node firmware list one', among({ component: 'bmc' })],
  ['node inspect one'],
  ['WAIT one manageable'],
  ['node show one --fields extra', { extra: { seen: 'yes' } }],
  [`inspection rule delete ${rule}`, /Deleted rule/],
  ['node inventory save one', /"inventory"/],
  ['node clean one --runbook book'],
  ['WAIT one manageable'],
  ['runbook delete book', /Deleted runbook/],
  ['node provide one'],
  ['WAIT one available'],
  ['node deploy one'],
  ['WAIT one active'],
  [`node service one --service-steps '[{"interface": "management", "step": "reset_bmc"}]'`],
  ['WAIT one active'],
  ['node rescue one --rescue-password let-me-in'],
  ['WAIT one rescue'],
  ['node unrescue one'],
  ['WAIT one active'],
  ['node rebuild one'],
  ['WAIT one active'],
  ['node undeploy one'],
  ['WAIT one available'],
  ['node history list one', expect.any(Array)],

  // A clean that stops half-way, one that is held and let go, and an adoption.
  ['node manage one'],
  ['WAIT one manageable'],
  ['node adopt one'],
  ['WAIT one active'],
  [`node service one --service-steps '[{"interface": "vendor", "step": "trigger_servicewait"}]'`],
  ['WAIT one service wait'],
  ['node abort one'],
  ['WAIT one active'],
  [
    `node service one --service-steps '[{"interface": "deploy", "step": "hold"}, {"interface": "management", "step": "reset_bmc"}]'`,
  ],
  ['WAIT one service hold'],
  ['node unhold one'],
  // There it waits for its ramdisk, which this machine has none of.
  ['WAIT one service wait'],
  ['node abort one'],
  ['WAIT one active'],
  ['node history get one EVENT', { event: expect.any(String) }],

  [
    'allocation create --resource-class baremetal --name mine --candidate-node machine-5 --extra a=b --wait 20',
    { state: 'active' },
  ],
  ['allocation list', among({ name: 'mine' })],
  ['allocation set mine --name still-mine'],
  ['allocation unset still-mine --extra a'],
  ['allocation show still-mine', { name: 'still-mine', extra: {} }],
  ['allocation delete still-mine', /Deleted allocation/],

  ['create FILE'],
  ['node show from-file', { chassis_uuid: expect.any(String) }],
  ['node delete from-file', /Deleted node/],
  ['node undeploy one'],
  ['WAIT one available'],
  ['node delete one', /Deleted node/],
  [`chassis delete ${chassis}`, /Deleted chassis/],
]

test.each(rows.map(([line, printed]) => ({ line, printed })))('$line', async ({ line, printed }) => {
  const [verb, name, ...state] = line.split(' ')
  if (verb === 'WAIT') return reaches(name as string, state.join(' '))
  const full = await filledIn(line)
  if (printed === undefined) expect(await demo.admin(full)).toBe('')
  else if (printed instanceof RegExp) expect(await demo.admin(full)).toMatch(printed)
  else if (Array.isArray(printed) || 'asymmetricMatch' in printed)
    expect(await demo.admin.json(full)).toEqual(printed)
  else expect(await demo.admin.json(full)).toMatchObject(printed)
})

test('every command of the plug-in has a row', () => {
  const lines = rows.map(([line]) => line)
  // "node trait list" is no row for a command "node trait".
  const commandOf = (line: string) =>
    commands.filter((command) => `${line} `.startsWith(`${command} `)).sort((a, b) => b.length - a.length)[0]
  const tried = new Set(lines.map(commandOf))
  expect(commands.length).toBeGreaterThan(100)
  expect(commands.filter((command) => !tried.has(command))).toEqual([])
})

const reaches = (name: string, state: string) =>
  expect
    .poll(async () => (await demo.admin.json(`node show ${name} --fields provision_state`)).provision_state, {
      timeout: 30_000,
    })
    .toBe(state)

/** The line with what only the service knows. */
async function filledIn(line: string): Promise<string> {
  if (line.includes('RAID'))
    return line.replace('RAID', `'{"logical_disks": [{"size_gb": 10, "raid_level": "1"}]}'`)
  if (line.includes('FILE')) return line.replace('FILE', join(directory, 'resources.json'))
  if (line.includes('HOST')) {
    const [conductor] = await demo.admin.json('conductor list')
    return line.replace('HOST', conductor.hostname)
  }
  if (line.includes('EVENT')) {
    const [event] = await demo.admin.json('node history list one')
    return line.replace('EVENT', event.uuid)
  }
  return line
}
