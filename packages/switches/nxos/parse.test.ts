import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { exec } from '../testing/nxos/exec.ts'
import { type Config, factoryConfig, factoryInterface, seenBy } from '../testing/nxos/model.ts'
import type { PortState } from '../types.ts'
import { nxos } from './dialect.ts'
import { normalisePort } from './names.ts'

/** What a switch with this configuration says, read by the dialect. */
function read(config: Config) {
  const box = {
    config,
    startup: config,
    checkpoints: new Map(),
    faults: {},
    counts: { logins: 0, writes: 0, saves: 0 },
  }
  const replies = nxos.readRequests().map(({ line, json }) => {
    const answer = exec(box, line) as { text: string; body: unknown }
    return { line, mode: 'exec' as const, text: json ? JSON.stringify(answer.body) : answer.text }
  })
  return nxos.parseState(replies)
}

/** What frames pass, of what the dialect understood. */
function passes(state: PortState | undefined) {
  if (!state?.adminUp || state.membership.mode === 'routed' || state.membership.mode === 'other')
    return [null, []]
  if (state.membership.mode === 'access') return [state.membership.vlan, []]
  return [state.membership.native, state.membership.tagged]
}

it('whatever the configuration and its defaults are, what is read is what the frames do', () => {
  const vlan = fc.integer({ min: 1, max: 40 })
  const port = fc.record({
    switched: fc.boolean(),
    mode: fc.constantFrom('access', 'trunk'),
    access: vlan,
    native: vlan,
    allowed: fc.oneof(
      fc.constant('all' as const),
      fc.uniqueArray(vlan, { maxLength: 40 }).map((ids) => ids.sort((a, b) => a - b)),
    ),
    shutdown: fc.boolean(),
  })
  const defaults = fc.record({ switchport: fc.boolean(), shutdown: fc.boolean() })
  fc.assert(
    fc.property(defaults, fc.array(port, { minLength: 1, maxLength: 4 }), (system, ports) => {
      const config = factoryConfig(0, system)
      for (let id = 2; id <= 40; id++)
        config.vlans.push({ id, name: `v${id}`, suspended: false, shutdown: false })
      ports.forEach((settings, index) => {
        config.interfaces.push({ ...factoryInterface(`Ethernet1/${index + 1}`, system), ...settings })
      })
      const state = read(config)
      for (const { name } of config.interfaces) {
        const seen = seenBy(config, name)
        const all = seen.tagged === 'all'
        expect(passes(state.ports.get(name))).toEqual([seen.untagged, all ? 'all' : seen.tagged])
      }
      expect(state.vlans.size).toBe(40)
    }),
  )
})

it('one VLAN and one port are read as well as many, though NX-OS writes them differently', () => {
  const config = factoryConfig(1, { switchport: true, shutdown: false })
  const state = read(config)
  expect([...state.vlans.values()]).toEqual([{ id: 1, name: 'default', active: true }])
  expect([...state.ports.keys()]).toEqual(['Ethernet1/1'])
})

it('ports are known by all their names, and nothing else is a port', () => {
  for (const name of ['Ethernet1/1', 'ethernet1/1', 'Eth1/1', 'eth 1/1'])
    expect(normalisePort(name)).toBe('Ethernet1/1')
  for (const name of ['port-channel10', 'Po10', 'po10', 'port-Channel 10'])
    expect(normalisePort(name)).toBe('port-channel10')
  expect(normalisePort('Ethernet1/1/4')).toBe('Ethernet1/1/4')
  for (const name of [
    'mgmt0',
    'Vlan10',
    'loopback0',
    'Eth1',
    'Ethernet1/1\nshutdown',
    'Ethernet1/1 ; reload',
    'po0',
    '',
  ])
    expect(normalisePort(name)).toBeNull()
})

it('what a description says is never taken for an answer of the switch', () => {
  const classify = (line: string, text: string) => nxos.classify({ line, text, mode: 'exec' }).is
  expect(
    classify('show running-config interface', 'version 9\ninterface Ethernet1/1\n  description ERROR: none'),
  ).toBe('ok')
  expect(classify('show running-config interface', '% Permission denied for the role')).toBe('error')
  expect(
    nxos.classify({
      line: 'spanning-tree port type edge',
      text: 'Warning: Edge port type',
      mode: 'configure',
    }).is,
  ).toBe('ok')
  expect(classify('copy running-config startup-config', '[####] 40%')).toBe('error')
})
