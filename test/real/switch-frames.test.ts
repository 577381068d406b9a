/**
 * Real Ethernet frames through Open vSwitch from Debian: no frame crosses tenants, whatever the drivers do and whatever
 * happens to them. Nodes are network namespaces; the bridge is either driven itself, over OVSDB, or does at every line
 * what a simulated switch does.
 */
import type { PortIntent } from '@leasehold/switches'
import {
  type SimulatedSwitch,
  startArista,
  startCatalyst,
  startCumulus,
  startNexus,
  startOpenconfig,
  startOs10,
  startSonic,
} from '@leasehold/switches/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { campaign, type Report, type Scene, type Stage } from './frames/campaign.ts'
import { killAgain } from './frames/kills.ts'
import { createLedger, crossings, nobody } from './frames/ledger.ts'
import { type Mirror, mirror, mirroredStage } from './frames/mirrored.ts'
import { ovsStage, ovsTarget, standBetween } from './frames/real-ovs.ts'
import { access, chanceOf, idle, probed, tenantOf, trunk, vlans } from './frames/tenants.ts'
import { microseconds, type Watcher } from './frames/watcher.ts'
import { startWires, type Wires } from './frames/wires.ts'
import { addsToLists, spoiled, trunkFirst } from './frames/wrong.ts'

const seed = Number(process.env.FRAMES_SEED ?? Math.floor(Math.random() * 1e9))
const nodes = 5

let wires: Wires
let watcher: Watcher
let reported = ''

beforeAll(async () => {
  wires = await startWires({ nodes, vlans: probed, seed, pace: 2_000 })
  watcher = wires.watcher
  tell(`frames go through ${wires.how}; FRAMES_SEED=${seed}`)
})

afterAll(async () => {
  tell(`frames sent in all: ${watcher?.round().sent}`)
  await wires?.close()
  process.stdout.write(reported)
})

const simulated: [string, () => Promise<SimulatedSwitch>][] = [
  ['NX-OS over NX-API', async () => overNxapi(await startNexus())],
  ['NX-OS over SSH', () => startNexus({ switchedByDefault: true })],
  ['EOS over eAPI', () => startArista()],
  ['IOS over SSH', () => startCatalyst({ encapsulation: true })],
  ['OS10 over SSH', () => startOs10()],
  ['SONiC over SSH', () => startSonic()],
  ['Cumulus over NVUE', () => startCumulus()],
  ['OpenConfig over NETCONF', () => startOpenconfig()],
]

describe('simulated switches, each line of theirs seen by frames', () => {
  for (const [name, begin] of simulated)
    it(`${name}: no frame crosses tenants at any line, faults included`, async () => {
      const device = await begin()
      try {
        const mirrored = await mirrorOn(device)
        const report = await campaign(mirroredStage(device), scene(), 25)
        say(name, report, { states: mirrored.states() })
        expectClean(report)
      } finally {
        await device.close()
      }
    })

  for (const [name, begin] of [
    ['NX-OS over SSH', () => startNexus()],
    ['EOS over eAPI', () => startArista({ hourMs: 10_000 })],
  ] as const)
    it(`${name}: a program killed in the middle leaves nothing that crosses, and the next one puts all right`, async () => {
      const device = await begin()
      try {
        await mirrorOn(device)
        const report = await killAgain(mirroredStage(device), device.target(), scene(), 3)
        say(`${name}, killed`, report)
        expectUnharmed(report)
      } finally {
        await device.close()
      }
    })
})

describe('Open vSwitch itself, over OVSDB', () => {
  it('no frame crosses tenants, faults included', async () => {
    const middle = await standBetween(wires.ovs)
    try {
      const report = await campaign(ovsStage(wires, middle, nodes), scene(), 50)
      say('Open vSwitch', report)
      expectClean(report)
    } finally {
      await middle.close()
    }
  })

  it('a program killed in the middle leaves nothing that crosses, and the next one puts all right', async () => {
    const middle = await standBetween(wires.ovs)
    try {
      const stage = ovsStage(wires, middle, nodes)
      const report = await killAgain(stage, ovsTarget(wires.ovs), scene(), 5)
      say('Open vSwitch, killed', report)
      expectUnharmed(report)
    } finally {
      await middle.close()
    }
  })
})

it('the same on the dummy datapath, which is all there is where nobody is root', async () => {
  const bare = await startWires({ nodes, vlans: probed, seed, pace: 2_000, dummy: true })
  const middle = await standBetween(bare.ovs)
  const device = await startArista()
  try {
    const report = await campaign(ovsStage(bare, middle, nodes), scene(bare.watcher), 12)
    say(`Open vSwitch, with ${bare.how}`, report)
    expectClean(report, 5)
    await mirrorOn(device, bare)
    const other = await campaign(mirroredStage(device), scene(bare.watcher), 12)
    say(`EOS over eAPI, with ${bare.how}`, other)
    expectClean(other, 5)
  } finally {
    await middle.close()
    await device.close()
    await bare.close()
  }
})

describe('these tests can fail', () => {
  it('a driver that adds to lists instead of setting them lets frames cross, and does not claim success', async () => {
    const device = await startArista()
    const crossed = await provoke(device, mirroredStage(device, spoiled('arista-eos-eapi', addsToLists)))
    expect(crossed.error).toMatchObject({ code: 'not-verified' })
    expect(crossed.frames.length).toBeGreaterThan(0)
  })

  it('where each line takes effect by itself, not even that driver lets one cross', async () => {
    const device = await startNexus({ switchedByDefault: true })
    const { error, frames } = await provoke(
      device,
      mirroredStage(device, spoiled('cisco-nxos-ssh', addsToLists)),
    )
    expect(error).toMatchObject({ code: 'not-verified' })
    expect(frames).toEqual([])
  })

  it('lines in a wrong order are right in the end, and only frames tell', async () => {
    const device = await startCatalyst()
    const crossed = await provoke(device, mirroredStage(device, spoiled('cisco-ios-ssh', trunkFirst)))
    expect(crossed.error).toBe(null)
    expect(crossed.frames.length).toBeGreaterThan(0)
  })

  it('the same change by the sound driver lets no frame cross', async () => {
    const device = await startCatalyst()
    expect(await provoke(device, mirroredStage(device))).toEqual({ error: null, frames: [] })
  })

  it('columns of Open vSwitch that are cleared, as others do to release a port, let frames cross', async () => {
    const { ledger } = scene()
    const middle = await standBetween(wires.ovs)
    const one = ovsStage(wires, middle, nodes).open()
    await one.apply({ ports: { n0: access(100), n1: trunk(200, [201]), n2: access(66), n3: idle, n4: idle } })
    for (const [node, intent] of [access(100), trunk(200, [201]), access(66), idle, idle].entries())
      ledger.set(node, tenantOf(intent), microseconds())
    watcher.round()
    expect(crossings(watcher.take(), watcher.kinds, ledger)).toEqual([])
    await wires.ovs.vsctl('clear', 'port', 'n0', 'tag', 'trunks', 'vlan_mode')
    ledger.set(0, nobody, microseconds())
    watcher.round()
    expect(crossings(watcher.take(), watcher.kinds, ledger).length).toBeGreaterThan(0)
    await one.close()
    await middle.close()
  })
})

/** Another tenant's port beside, and one fresh from the factory that becomes a trunk. */
async function provoke(device: SimulatedSwitch, stage: Stage) {
  const { ledger } = scene()
  const [fresh = '', other = ''] = device.ports
  const sound = mirroredStage(device).open()
  const one = stage.open()
  try {
    await mirrorOn(device)
    await sound.apply({ vlans, ports: { [other]: access(200), [fresh]: idle } })
    device.makeDirty(fresh, 'factory')
    for (let node = 0; node < nodes; node++) ledger.set(node, new Set(['untouched']), microseconds())
    ledger.set(1, new Set(['green']), microseconds())
    ledger.set(0, new Set(['untouched', 'red']), microseconds())
    watcher.round()
    watcher.take()
    const error = await one.apply({ ports: { [fresh]: trunk(100, [101]) } }).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    watcher.round()
    return { error, frames: crossings(watcher.take(), watcher.kinds, ledger).slice(0, 3) }
  } finally {
    await Promise.all([sound.close(), one.close()])
    await device.close()
  }
}

/** The driver for Open vSwitch leaves ports that are down in a bridge of their own; the mirror wants them all. */
async function mirrorOn(device: SimulatedSwitch, { ovs, watcher, cardWords } = wires): Promise<Mirror> {
  const names = Array.from({ length: nodes }, (_, node) => `n${node}`)
  const words = names.flatMap((name) => [
    ...['--', '--if-exists', 'del-port', name, '--', 'add-port', 'br0', name, 'tag=4088'],
    ...cardWords(name),
  ])
  await ovs.vsctl(...words)
  return mirror(device, watcher, nodes)
}

function overNxapi(nexus: Awaited<ReturnType<typeof startNexus>>): SimulatedSwitch {
  return { ...nexus, target: nexus.nxapi }
}

function scene(watcher = wires.watcher): Scene {
  watcher.take()
  const intents: (PortIntent | null)[] = Array.from({ length: nodes }, () => null)
  return { watcher, ledger: createLedger(nodes), intents, chance: chanceOf(seed ^ ownNumber()) }
}

/** Each test has an order of its own, the same whichever others run. */
function ownNumber(): number {
  const letters = [...(expect.getState().currentTestName ?? '')]
  return letters.reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0, 7)
}

function say(name: string, report: Record<string, unknown>, more: Record<string, unknown> = {}): void {
  const counted = Object.entries({ ...report, ...more }).map(([key, value]) => [
    key,
    Array.isArray(value) ? value.length : value,
  ])
  tell(`${name}: ${JSON.stringify(Object.fromEntries(counted))}`)
}

function tell(line: string): void {
  reported += `${line}\n`
}

function expectClean({ crossed, wrong, applied, expected }: Report, least = 10): void {
  const hint = `again with FRAMES_SEED=${seed}`
  expect(crossed.slice(0, 5), hint).toEqual([])
  expect(wrong.slice(0, 5), hint).toEqual([])
  // Had nothing passed, nothing would have been shown.
  expect(applied).toBeGreaterThan(least)
  expect(expected).toBeGreaterThan(least)
}

function expectUnharmed({ crossed, wrong, applied }: Awaited<ReturnType<typeof killAgain>>): void {
  const hint = `again with FRAMES_SEED=${seed}`
  expect(crossed.slice(0, 5), hint).toEqual([])
  expect(wrong.slice(0, 5), hint).toEqual([])
  expect(applied).toBeGreaterThan(0)
}
