import { expect, test } from 'vitest'
import { interfaceTypes, rulesForPatch } from './node-fields.ts'

const replace = (path: string, value: unknown = 'x') => ({ op: 'replace', path, value })
const general = 'baremetal:node:update'

test.each<[string, string]>([
  ['/instance_info/image_source', 'baremetal:node:update_instance_info'],
  ['/instance_name', 'baremetal:node:update_instance_info'],
  ['/instance_uuid', 'baremetal:node:update:instance_uuid'],
  ['/extra/x', 'baremetal:node:update_extra'],
  ['/driver_info/ipmi_address', 'baremetal:node:update:driver_info'],
  ['/driver', 'baremetal:node:update:driver_interfaces'],
  ['/driver_internal_info', 'baremetal:node:update:driver_interfaces'],
  ['/properties/cpus', 'baremetal:node:update:properties'],
  ['/chassis_uuid', 'baremetal:node:update:chassis_uuid'],
  ['/lessee', 'baremetal:node:update:lessee'],
  ['/owner', 'baremetal:node:update:owner'],
  ['/network_data', 'baremetal:node:update:network_data'],
  ['/conductor_group', 'baremetal:node:update:conductor_group'],
  ['/name', 'baremetal:node:update:name'],
  ['/retired', 'baremetal:node:update:retired'],
  ['/retired_reason', 'baremetal:node:update:retired'],
  ['/shard', 'baremetal:node:update:shard'],
  ['/parent_node', 'baremetal:node:update:parent_node'],
  ['/disable_power_off', 'baremetal:node:update:disable_power_off'],
  ...interfaceTypes.map((type): [string, string] => [
    `/${type}_interface`,
    'baremetal:node:update:driver_interfaces',
  ]),
  ['/description', general],
  ['/protected', general],
  ['/maintenance', general],
  ['/resource_class', general],
])('changing %s needs %s', (path, rule) => {
  expect(rulesForPatch([replace(path)])).toEqual([rule])
})

test.each([
  [false, 'baremetal:node:disable_cleaning'],
  ['False', 'baremetal:node:disable_cleaning'],
  ['off', 'baremetal:node:disable_cleaning'],
  [0, 'baremetal:node:disable_cleaning'],
  [true, general],
  ['yes', general],
  [null, general],
])('setting automated_clean to %j needs %s', (value, rule) => {
  expect(rulesForPatch([replace('/automated_clean', value)])).toEqual([rule])
})

test('removing automated_clean is an ordinary change, whatever value comes along', () => {
  expect(rulesForPatch([{ op: 'remove', path: '/automated_clean', value: false }])).toEqual([general])
})

test('an empty patch needs the general rule', () => {
  expect(rulesForPatch([])).toEqual([general])
})

test('each rule is named once, in the order of the operations', () => {
  const operations = ['/owner', '/description', '/name', '/maintenance', '/owner'].map((path) =>
    replace(path),
  )
  expect(rulesForPatch(operations)).toEqual([
    'baremetal:node:update:owner',
    general,
    'baremetal:node:update:name',
  ])
})
