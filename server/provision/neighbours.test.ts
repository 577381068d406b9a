/** What an LLDP frame says of where a cable ends, and what is no such thing. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { neighboursOf } from './neighbours.ts'

const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex')
const chassis = [1, '04001b54aa0001']
const address = '02:00:00:00:00:01'
const inventory = (more: object = {}) => ({
  interfaces: [{ name: 'eth0', mac_address: '02:00:00:00:00:01', ...more }],
})

it('takes the switch’s address and the port’s name, from the plugin data or from the interface', () => {
  const said = [chassis, [2, `05${hex('Ethernet1/1')}`], [3, '0078'], [5, hex('tor-1')]]
  const found = [{ address, switch_id: '00:1b:54:aa:00:01', port_id: 'Ethernet1/1' }]
  expect(neighboursOf(inventory(), { lldp_raw: { eth0: said } })).toEqual(found)
  expect(neighboursOf(inventory({ lldp: said }), {})).toEqual(found)
  expect(neighboursOf(inventory({ lldp: [] }), { lldp_raw: { eth1: said } })).toEqual([])
})

it.each([
  ['an alias', `01${hex('uplink 7')}`, 'uplink 7'],
  ['a MAC address', '03001b54aa0002', '00:1b:54:aa:00:02'],
  ['something of its own', `07${hex('513')}`, '513'],
])('a port may be called by %s', (_, value, port_id) => {
  expect(neighboursOf(inventory({ lldp: [[2, value]] }), {})).toEqual([{ address, port_id }])
})

it.each([
  ['a chassis that is no address', [1, `07${hex('rack 7')}`]],
  ['a short address', [1, '04001b54']],
  ['a network address for a port', [2, '0401c0000201']],
  ['a line break in a name', [2, `05${hex('Eth1\nEth2')}`]],
  ['no hexadecimal digits', [2, '05zz']],
  ['an odd number of them', [2, '051']],
  ['nothing', [2, '05']],
  ['a name of 300 characters', [2, `05${'41'.repeat(300)}`]],
  ['a number', [2, 7]],
])('%s says nothing', (_, tlv) => {
  expect(neighboursOf(inventory({ lldp: [tlv] }), {})).toEqual([])
})

it('whatever a ramdisk sends is no fault of ours', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (interfaces, lldp_raw) => {
      for (const { port_id = 'x' } of neighboursOf({ interfaces } as object, { lldp_raw } as object))
        expect(port_id).toMatch(/^[ -~]{1,255}$/)
    }),
  )
})
