/** Every payload of the OpenConfig dialect against OpenConfig's published models, judged by libyang's yanglint. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSwitch } from '../../packages/switches/index.ts'
import { openconfig } from '../../packages/switches/openconfig/dialect.ts'
import { startOpenconfig } from '../../packages/switches/testing/netconf/openconfig.ts'
import type { NetconfSwitch } from '../../packages/switches/testing/netconf/simulator.ts'
import { netconfTransport } from '../../packages/switches/transports/netconf.ts'
import { writeXml, type XmlElement } from '../../packages/switches/transports/xml.ts'
import type { Driver, PortIntent, Wanted } from '../../packages/switches/types.ts'
import { models } from './netconfd.ts'
import { needPrograms, run } from './programs.ts'

const typed = { 'openconfig-if-ethernet': true, 'openconfig-if-aggregate': true }
const modules = [
  'ietf-netconf',
  ...Object.keys(typed),
  'openconfig-vlan-types',
  'openconfig-vlan',
  'openconfig-network-instance',
  'openconfig-lacp',
  'openconfig-spanning-tree-types',
  'openconfig-spanning-tree',
  'iana-if-type',
]

describe("OpenConfig's published models", () => {
  let device: NetconfSwitch
  let directory: string
  const sent: XmlElement[][] = []
  beforeAll(async () => {
    await needPrograms('yanglint')
    device = await startOpenconfig()
    directory = await mkdtemp(join(tmpdir(), 'leasehold-yang-'))
    await writeTypedModels()
  })
  afterAll(async () => {
    await device?.close()
    if (directory) await rm(directory, { recursive: true, force: true })
  })

  let last = 0
  /** What yanglint has to say; '' for nothing. `edit` is the content of an edit-config, `config` a whole configuration. */
  async function yanglint(type: 'edit' | 'config', ...contents: readonly string[]): Promise<string> {
    const files: string[] = []
    for (const content of contents) {
      files.push(join(directory, `${++last}.xml`))
      await writeFile(files.at(-1) as string, content)
    }
    const schemas = modules.map((name) =>
      join(type === 'config' && name in typed ? directory : models, `${name}.yang`),
    )
    const { code, output } = await run('yanglint', [
      // In a whole configuration, modules that are only imported (BGP) would have parts that are mandatory.
      ...['-Q', '-p', models, ...(type === 'edit' ? ['-i', '-i'] : ['-i']), '-t', type],
      ...[...schemas, ...files],
    ])
    return code === 0 ? '' : `${output}${contents.join('\n')}`
  }

  /**
   * These models have a part only if the type that the switch reports is the right one. A configuration has nothing that
   * is reported, and libyang lets it see nothing of that; so in copies of the two the condition is about the type that is
   * configured. Single edits are checked with the models as they are.
   */
  async function writeTypedModels(): Promise<void> {
    for (const name of Object.keys(typed)) {
      const model = await readFile(join(models, `${name}.yang`), 'utf8')
      if (!model.includes('oc-if:state/oc-if:type'))
        throw new Error(`${name} has another condition than expected`)
      const copy = model.replaceAll('oc-if:state/oc-if:type', 'oc-if:config/oc-if:type')
      await writeFile(join(directory, `${name}.yang`), copy)
    }
  }

  it('the validator knows wrong names, namespaces and values when it sees them', async () => {
    const port = (vlans: string) =>
      `<interfaces xmlns="http://openconfig.net/yang/interfaces"><interface><name>eth1</name>
      <ethernet xmlns="http://openconfig.net/yang/interfaces/ethernet">${vlans}</ethernet></interface></interfaces>`
    const switched = (list: string) =>
      port(`<switched-vlan xmlns="http://openconfig.net/yang/vlan"><config>${list}</config></switched-vlan>`)
    expect(await yanglint('edit', switched('<trunk-vlans>300..310</trunk-vlans>'))).toBe('')
    expect(await yanglint('edit', switched('<trunk-vlans>300-310</trunk-vlans>'))).toContain(
      'Invalid union value',
    )
    expect(await yanglint('edit', switched('<trunk-vlan>300</trunk-vlan>'))).toContain('not found')
    expect(await yanglint('edit', port('<switched-vlan><config/></switched-vlan>'))).toContain('not found')
  })

  it('every edit that is sent on the way through all kinds of changes is one of them', async () => {
    const transport = netconfTransport({ requires: ['candidate:', 'confirmed-commit:1.1'] })
    const recording: typeof transport = {
      ...transport,
      connect: async (...how) => {
        const session = await transport.connect(...how)
        return {
          ...session,
          send: (requests, ...rest) => {
            for (const { operation } of requests)
              if (operation.do === 'edit-config') sent.push([...operation.config])
            return session.send(requests, ...rest)
          },
        }
      },
    }
    const one = openSwitch(
      device.target(),
      { guard: { ports: device.ports, vlans: '100-199,999', lagGroups: '10-19' } },
      { transport: recording, dialectFor: openconfig } as unknown as Driver,
    )
    for (const wanted of changes(device.ports)) {
      await one.apply(wanted)
      // Once more on the way back: what was read is put back after a save that failed.
      device.faults.failSave = true
      await one.apply(undoable(device.ports)).catch(() => undefined)
      device.faults.failSave = false
    }
    await one.close()
    const texts = new Set(sent.map((config) => config.map((part) => writeXml(part)).join('\n')))
    expect(texts.size).toBeGreaterThan(40)
    expect(await yanglint('edit', ...texts)).toBe('')
    // All at once are judged as one by one.
    const wrong = '<vlans xmlns="http://openconfig.net/yang/vlan"/>'
    expect(await yanglint('edit', ...texts, wrong)).toContain('vlans')
  })

  it('what all of them come to is a valid configuration, conditions and references included', async () => {
    const parts = device.box.running.children.map((part) => writeXml(part))
    expect(await yanglint('config', parts.join('\n'))).toBe('')
  })
})

/** Changes that make every kind of edit: VLANs made, named and removed, all modes both ways, LAGs, settings. */
function changes([a = '', b = '', c = '', d = '']: readonly string[]): Wanted[] {
  const vlans = [100, 101, 102, 103, 110, 150].map((id) => ({ id, name: `tenant-${id}` }))
  const quarantine = { id: 999, name: 'quarantine' }
  const up = { adminUp: true, stpEdge: true }
  const trunk = (native: number | null, tagged: number[]) =>
    ({ mode: 'trunk', native, tagged, ...up }) satisfies PortIntent
  const lag = (lacp: 'active' | 'passive') => ({ group: 12, lacp })
  const idle: PortIntent = { mode: 'idle', quarantine: 999, stpEdge: false }
  return [
    { vlans: [...vlans, quarantine, { id: 199 }] },
    { ports: { [a]: { mode: 'access', vlan: 100, ...up, description: 'machine-1 nic0', mtu: 9000 } } },
    { ports: { [a]: trunk(100, [101, 102, 103, 110]), [b]: trunk(null, [150]), [c]: trunk(100, []) } },
    { ports: { [a]: { ...trunk(null, [100, 150]), description: '' } } },
    { ports: { [a]: idle, [b]: { mode: 'access', vlan: 150, adminUp: false, stpEdge: false }, [c]: idle } },
    {
      ports: {
        [c]: { ...trunk(100, [101, 102]), lag: lag('active') },
        [d]: { ...trunk(100, [101, 102]), lag: lag('active') },
      },
    },
    {
      ports: {
        [c]: { ...trunk(100, [103]), lag: lag('passive') },
        [d]: { ...trunk(100, [103]), lag: lag('passive') },
      },
    },
    { ports: { [c]: { mode: 'access', vlan: 101, ...up } } },
    { ports: { [d]: idle } },
    { vlans: [{ id: 110, name: 'renamed' }], removeVlans: [{ id: 103, name: 'tenant-103' }] },
    { ports: { [a]: trunk(101, [100, 102]), [d]: { ...trunk(101, [102]), lag: lag('active') } } },
  ]
}

/** A change of everything that can be put back: VLANs new and renamed, ports in and out of a LAG. */
function undoable([a = '', b = '', c = '', d = '']: readonly string[]): Wanted {
  const access: PortIntent = {
    mode: 'access',
    vlan: 150,
    adminUp: true,
    stpEdge: false,
    description: 'for a moment',
  }
  const member: PortIntent = { ...access, lag: { group: 15, lacp: 'active' } }
  return {
    vlans: [
      { id: 150, name: 'other' },
      { id: 151, name: 'new' },
    ],
    ports: { [a]: access, [b]: access, [c]: member, [d]: member },
  }
}
