import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eos } from '../eos/dialect.ts'
import { ios } from '../ios/dialect.ts'
import { os10 } from '../os10/dialect.ts'
import type { Vendor } from '../testing/cli/box.ts'
import { type Config, configure, linesOf, type Place } from '../testing/cli/engine.ts'
import { eosVendor } from '../testing/eos/vendor.ts'
import { iosVendor } from '../testing/ios/vendor.ts'
import { os10Vendor } from '../testing/os10/simulator.ts'
import type { CliReply, CliRequest } from '../transports/cli.ts'
import type { Dialect, PortState, SwitchState, Target } from '../types.ts'
import { parseVlans } from '../vlans.ts'
import { allowedIn, sectionsOf } from './config.ts'
import { allowedLines } from './lines.ts'

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 4094 }), { maxLength: 300 })

describe('a list of trunk VLANs', () => {
  it('is read as it was written, however many lines it takes', () => {
    fc.assert(
      fc.property(ids, (list) => {
        const lines = allowedLines(list)
        expect(allowedIn(lines)).toEqual([...list].sort((a, b) => a - b))
        for (const line of lines) expect(line.length).toBeLessThan(250)
      }),
    )
  })

  it('that is not there is every VLAN, and so is one of all', () => {
    expect(allowedIn([])).toBe('all')
    expect(allowedIn(['switchport trunk allowed vlan ALL'])).toBe('all')
    expect(allowedIn(['switchport trunk allowed vlan 1-4094'])).toBe('all')
    expect(allowedIn(['switchport trunk allowed vlan none'])).toEqual([])
  })
})

it('sections of any text have lines without headings, blanks and comments, and nothing else gets lost', () => {
  const line = fc.stringMatching(/^ {0,3}[a-z! ]{0,12}$/)
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const found = sectionsOf(lines.join('\n'))
      const said = lines.map((one) => one.trim()).filter((one) => one !== '' && !one.startsWith('!'))
      const kept = found.flatMap(({ heading, lines: own }) => [heading, ...own])
      // Lines before the first heading belong to nothing.
      expect(said.slice(said.length - kept.length)).toEqual(kept)
    }),
  )
})

describe.each<[string, Vendor, Dialect<CliRequest, CliReply>, string]>([
  ['EOS', eosVendor, eos(), 'Ethernet1'],
  ['IOS', iosVendor({ encapsulation: true }), ios, 'GigabitEthernet1/0/1'],
  ['OS10', os10Vendor, os10, 'ethernet1/1/1'],
])('undoing on %s', (_name, vendor, dialect, port) => {
  const vlan = fc.integer({ min: 2, max: 6 })
  const list = fc.uniqueArray(vlan, { minLength: 1, maxLength: 4 }).map((some) => some.join(','))
  const line = fc.oneof(
    vlan.map((id) => `switchport access vlan ${id}`),
    vlan.map((id) => `switchport trunk native vlan ${id}`),
    list.map((some) => `switchport trunk allowed vlan ${some}`),
    fc.constantFrom(
      'switchport',
      'no switchport',
      'switchport mode trunk',
      'switchport mode access',
      'switchport trunk encapsulation dot1q',
      'switchport trunk allowed vlan none',
      'no switchport trunk allowed vlan',
      'no switchport access vlan',
      'no switchport mode',
      'shutdown',
      'no shutdown',
      'description somebody',
      'spanning-tree portfast',
      'spanning-tree portfast trunk',
      'spanning-tree port type edge',
      'mtu 9000',
    ),
  )
  const configOf = (lines: readonly string[]): Config => {
    const config: Config = {
      globals: [],
      vlans: new Map([1, 2, 3, 4, 5, 6].map((id) => [id, new Map()])),
      interfaces: new Map([[port, vendor.grammar.factory(port)]]),
    }
    return run(config, [`interface ${port}`, ...lines], false)
  }
  /** `strict`: no line may be refused. */
  const run = (config: Config, lines: readonly string[], strict: boolean): Config => {
    let place: Place = { kind: 'global' }
    for (const one of lines) {
      const done = configure(vendor.grammar, config, place, one)
      if (strict && done.failed) throw new Error(`"${one}" was refused: ${done.text}`)
      place = done.place
    }
    return config
  }
  const linesIn = (config: Config) =>
    linesOf(vendor.grammar.settings, config.interfaces.get(port) ?? new Map())
  const stateOf = (config: Config): SwitchState => {
    const lines = linesIn(config)
    const state = { name: port, lines, adminUp: !lines.includes('shutdown') } as unknown as PortState
    return { vlans: new Map(), ports: new Map([[port, state]]) }
  }
  const touched = {
    vlans: [],
    removeVlans: [],
    removeLags: new Set(),
    ports: new Map([[port, { group: null }]]),
  } as unknown as Target

  it('brings any port back from anything to anything, to the letter, and leaves alone what is as it was', () => {
    fc.assert(
      fc.property(fc.array(line), fc.array(line), (then, since) => {
        const before = configOf(then)
        const now = configOf(since)
        const requests = dialect.restore?.(stateOf(before), stateOf(now), touched, 'id') ?? []
        const back = requests
          .map((request) => request.line)
          .filter((one) => !one.startsWith('configure session'))
        run(now, back, true)
        expect(linesIn(now)).toEqual(linesIn(before))
        if (linesIn(configOf(since)).join() === linesIn(before).join()) expect(back).toEqual([])
      }),
      { numRuns: 300 },
    )
  })
})

it('lists of VLANs in the words of switches are read', () => {
  expect(parseVlans('10,20-22')).toEqual([10, 20, 21, 22])
})
