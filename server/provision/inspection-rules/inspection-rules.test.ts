/** Inspection rules without a database: every operator, every action, texts with fields, loops, and their bounds. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { actions } from './actions.ts'
import { type AppliedRule, applyInspectionRules, type Inspected } from './apply.ts'
import { checkInspectionRule } from './check.ts'
import { operators } from './operators.ts'

const port = {
  uuid: 'b3a1c1de-0000-4000-8000-000000000001',
  address: '52:54:00:00:00:01',
  extra: {},
  pxe_enabled: true,
}
const found = (more: Partial<Inspected> = {}): Inspected => ({
  node: {
    uuid: 'b3a1c1de-0000-4000-8000-00000000000a',
    driver: 'fake-hardware',
    properties: { cpus: 4, capabilities: 'boot_mode:uefi' },
    driver_info: { ipmi_address: '192.0.2.9', ipmi_password: 'hunter2' },
    extra: {},
    traits: ['CUSTOM_OLD'],
    description: null,
  },
  ports: [port],
  inventory: {
    bmc_address: '192.0.2.7',
    bmc_password: 'hunter3',
    cpu: { count: 8, flags: ['vmx', 'aes'] },
    memory: { physical_mb: 65536 },
    disks: [
      { name: '/dev/sda', rotational: true },
      { name: '/dev/nvme0', rotational: false },
    ],
    nothing: null,
  },
  pluginData: { a: { b: 1 }, list: [1] },
  ...more,
})
let serial = 0
const rule = (more: Partial<AppliedRule>): AppliedRule => ({
  uuid: `rule-${++serial}`,
  priority: 0,
  sensitive: false,
  conditions: [],
  actions: [{ op: 'log', args: ['applied'] }],
  ...more,
})
const apply = (rules: readonly AppliedRule[], more: Partial<Inspected> = {}) =>
  applyInspectionRules(rules, found(more))
const holds = (op: string, args: unknown, more: Record<string, unknown> = {}): boolean =>
  apply([rule({ conditions: [{ op, args, ...more } as AppliedRule['conditions'][number]] })]).applied
    .length === 1
const does = (
  op: string,
  args: unknown,
  more: Record<string, unknown> = {},
  others: Partial<Inspected> = {},
) => apply([rule({ actions: [{ op, args, ...more } as AppliedRule['actions'][number]] })], others)

describe('an operator', () => {
  it.each([
    ['eq', [['a', 'a']], true],
    ['eq', [['a', 'b']], false],
    ['eq', [[4, '4']], true],
    ['eq', { values: ['{node.driver}', 'fake-hardware'] }, true],
    ['eq', { values: ['{inventory[cpu][count]}', 8] }, true],
    ['eq', { values: [{ a: [1] }, { a: [1] }] }, true],
    ['eq', { values: [1] }, true],
    ['lt', { values: [4096, '{inventory[memory][physical_mb]}'] }, true],
    ['lt', { values: ['9', '10', '11'] }, true],
    ['lt', { values: ['a', 'b'] }, true],
    ['lt', { values: ['9', '10'], force_strings: true }, true],
    ['gt', { values: ['{inventory[memory][physical_mb]}', 4096] }, true],
    ['gt', { values: [3, 2, 2] }, false],
    ['is-empty', { value: '' }, true],
    ['is-empty', { value: [] }, true],
    ['is-empty', { value: '{node.extra}' }, true],
    ['is-empty', { value: 0 }, false],
    ['is-none', { value: null }, true],
    ['is-none', { value: '{inventory[nothing]}' }, true],
    ['is-none', { value: '' }, false],
    ['is-true', { value: 'Yes' }, true],
    ['is-true', { value: '{inventory[disks][0][rotational]}' }, true],
    ['is-true', { value: 0 }, false],
    ['is-false', { value: null }, true],
    ['is-false', { value: '{inventory[disks][1][rotational]}' }, true],
    ['is-false', { value: 'true' }, false],
    ['in-net', { address: '{inventory[bmc_address]}', subnet: '192.0.2.0/24' }, true],
    ['in-net', ['192.0.3.7', '192.0.2.0/255.255.255.0'], false],
    ['in-net', ['192.0.2.7', '192.0.2.7'], true],
    ['in-net', ['2001:db8::5', '2001:db8::/32'], true],
    ['in-net', ['192.0.2.7', '2001:db8::/32'], false],
    ['matches', { value: 'abc', regex: 'a|abc' }, true],
    ['matches', { value: 'abcd', regex: 'abc' }, false],
    ['matches', { value: '{inventory[cpu][count]}', regex: '[0-9]{1,3}' }, true],
    ['matches', { value: 'HPE', regex: '(?i)(?P<v>hpe)' }, true],
    ['contains', { value: '{inventory[cpu][flags]}', regex: '"vmx"' }, true],
    ['contains', { value: 'abc', regex: '^b' }, false],
    ['one-of', { value: '{node.driver}', values: ['ipmi', 'fake-hardware'] }, true],
    ['one-of', ['x', ['y']], false],
    ['one-of', { value: 'x' }, false],
  ] as const)('%s %j is %j, and its opposite with "!"', (op, args, expected) => {
    expect(holds(op, args)).toBe(expected)
    expect(holds(`!${op}`, args)).toBe(!expected)
    expect(holds(`! ${op}`, args)).toBe(!expected)
  })

  it.each([
    ['eq', { values: 'x' }],
    ['lt', { values: ['a', 1] }],
    ['in-net', ['x', '192.0.2.0/24']],
    ['in-net', ['192.0.2.1', '192.0.2.0/33']],
    ['in-net', ['192.0.2.1', '192.0.2.0/255.0.255.0']],
    ['matches', ['x', '(']],
    ['one-of', ['x', 'xyz']],
  ])('%s fails the inspection for %j, naming the rule', (op, args) => {
    expect(() => holds(op, args)).toThrow(/^Inspection rule rule-\d+: /)
  })

  it('in a loop asks of any, all, the first or the last item', () => {
    const ask = (multiple: string | undefined, wanted: boolean) =>
      holds(
        'eq',
        { values: ['{item[rotational]}', wanted] },
        {
          loop: [{ rotational: true }, { rotational: false }, { rotational: false }],
          ...(multiple ? { multiple } : {}),
        },
      )
    expect([undefined, 'any', 'all', 'first', 'last'].map((multiple) => ask(multiple, true))).toEqual([
      true,
      true,
      false,
      true,
      false,
    ])
    expect(holds('eq', { values: ['{item[a]}', 8] }, { loop: { a: '{inventory[cpu][count]}' } })).toBe(true)
  })

  it('all conditions of a rule must hold', () => {
    const conditions = [
      { op: 'eq', args: [[1, 1]] },
      { op: 'eq', args: [[1, 2]] },
    ]
    expect(apply([rule({ conditions })]).applied).toEqual([])
    expect(apply([rule({ conditions: conditions.slice(0, 1) })]).applied).toHaveLength(1)
  })
})

describe('an action', () => {
  it('fail ends the inspection with its message', () => {
    expect(() => does('fail', { msg: 'only {inventory[cpu][count]} CPUs' })).toThrow(/^only 8 CPUs$/)
  })

  it('log keeps a message, its level and nothing else', () => {
    const changes = does('log', { msg: 'found {inventory[bmc_address]}', level: 'WARNING' })
    expect(changes).toMatchObject({
      log: [{ level: 'warning', message: 'found 192.0.2.7' }],
      node: {},
      ports: [],
    })
    expect(() => does('log', ['x', 'loud'])).toThrow(/level/)
  })

  it('set-, extend- and del-attribute change the node, whole attributes at a time', () => {
    expect(does('set-attribute', ['extra/rack/number', 7]).node).toEqual({ extra: { rack: { number: 7 } } })
    expect(does('set-attribute', ['/properties/cpus', '{inventory[cpu][count]}']).node).toEqual({
      properties: { cpus: '8', capabilities: 'boot_mode:uefi' },
    })
    expect(does('set-attribute', ['resource_class', 'gold']).node).toEqual({ resource_class: 'gold' })
    expect(does('extend-attribute', ['extra.seen', 'x']).node).toEqual({ extra: { seen: ['x'] } })
    expect(does('del-attribute', ['properties.cpus']).node).toEqual({
      properties: { capabilities: 'boot_mode:uefi' },
    })
    expect(does('del-attribute', ['properties']).node).toEqual({ properties: {} })
    const twice = { op: 'extend-attribute', args: { path: 'extra.seen', value: 'x', unique: true } }
    expect(apply([rule({ actions: [twice, twice] })]).node).toEqual({ extra: { seen: ['x'] } })
  })

  it.each([
    ['set-attribute', ['provision_state', 'active']],
    ['set-attribute', ['uuid', 'x']],
    ['set-attribute', ['reservation', null]],
    ['set-attribute', ['extra', 'text']],
    ['set-attribute', ['resource_class', 'x'.repeat(81)]],
    ['set-attribute', ['properties.cpus.x', 1]],
    ['set-attribute', ['', 1]],
    ['set-attribute', ['constructor', 1]],
    ['extend-attribute', ['properties.cpus', 1]],
    ['extend-attribute', ['description', 1]],
    ['del-attribute', ['extra.nothing']],
    ['add-trait', ['lower']],
    ['set-capability', ['a:b', 'x']],
    ['set-port-attribute', ['nonesuch', 'extra', {}]],
    ['set-port-attribute', [port.uuid, 'address', '52:54:00:00:00:02']],
    ['set-port-attribute', [port.uuid, 'pxe_enabled', 'perhaps']],
    ['api-call', ['http://169.254.169.254/']],
  ])('%s %j is refused, naming the rule', (op, args) => {
    expect(() => does(op, args)).toThrow(/^Inspection rule rule-\d+: /)
  })

  it('set- and unset-capability change one of them and keep the others', () => {
    expect(does('set-capability', ['cpu_vt', true]).node).toMatchObject({
      properties: { capabilities: 'boot_mode:uefi,cpu_vt:True' },
    })
    expect(does('set-capability', ['boot_mode', 'bios']).node).toMatchObject({
      properties: { capabilities: 'boot_mode:bios' },
    })
    expect(does('unset-capability', ['boot_mode']).node).toEqual({ properties: { cpus: 4 } })
    expect(does('unset-capability', ['absent']).node).toMatchObject({
      properties: { capabilities: 'boot_mode:uefi' },
    })
  })

  it('add- and remove-trait change the traits; what is not there can be removed', () => {
    expect(does('add-trait', ['CUSTOM_NEW']).node).toEqual({ traits: ['CUSTOM_NEW', 'CUSTOM_OLD'] })
    expect(does('remove-trait', ['CUSTOM_OLD']).node).toEqual({ traits: [] })
    expect(does('remove-trait', ['CUSTOM_X']).node).toEqual({ traits: ['CUSTOM_OLD'] })
  })

  it('set-, extend- and unset-plugin-data change what is stored with the inventory', () => {
    expect(does('set-plugin-data', ['a.c', 2]).pluginData).toEqual({ a: { b: 1, c: 2 }, list: [1] })
    expect(does('extend-plugin-data', ['list', 1]).pluginData.list).toEqual([1, 1])
    expect(does('extend-plugin-data', ['list', 1, true]).pluginData.list).toEqual([1])
    expect(does('unset-plugin-data', ['a.b']).pluginData).toEqual({ list: [1] })
    expect(does('unset-plugin-data', ['nothing']).pluginData).toEqual({ a: { b: 1 }, list: [1] })
  })

  it('set-, extend- and del-port-attribute change a port, by UUID or MAC address', () => {
    expect(does('set-port-attribute', [port.uuid, 'pxe_enabled', 'no']).ports).toEqual([
      { uuid: port.uuid, changes: { pxe_enabled: false } },
    ])
    expect(does('extend-port-attribute', [port.address.toUpperCase(), 'extra.x', 1]).ports).toEqual([
      { uuid: port.uuid, changes: { extra: { x: [1] } } },
    ])
    const gone = does(
      'del-port-attribute',
      [port.uuid, 'extra.x'],
      {},
      { ports: [{ ...port, extra: { x: 1 } }] },
    )
    expect(gone.ports).toEqual([{ uuid: port.uuid, changes: { extra: {} } }])
  })

  it('in a loop is done for each item', () => {
    const { node } = does(
      'set-attribute',
      { path: '{item[path]}', value: '{item[value]}' },
      {
        loop: [
          { path: 'driver_info/ipmi_address', value: '{inventory[bmc_address]}' },
          { path: 'extra/cpus', value: '{inventory[cpu][count]}' },
        ],
      },
    )
    expect(node).toMatchObject({
      driver_info: { ipmi_address: '192.0.2.7', ipmi_password: 'hunter2' },
      extra: { cpus: '8' },
    })
  })

  it('is there for every name of the reference', () => {
    expect(Object.keys(operators)).toHaveLength(11)
    expect(Object.keys(actions)).toHaveLength(16)
  })
})

describe('texts', () => {
  const shown = (text: string) => does('log', [text]).log[0]?.message
  it.each([
    ['{{node}}', '{node}'],
    ['{node[properties][cpus]}', '4'],
    ['{node.properties.cpus!s}', '4'],
    ['{plugin_data[a]}', '{"b":1}'],
    ['{inventory[disks][1][name]}', '/dev/nvme0'],
    ['{inventory[nothing]}', 'None'],
    ['a {b', 'a {b'],
    ['{nothing} and {node.driver}', '{nothing} and {node.driver}'],
    ['{item}', '{item}'],
    ['{node.constructor}', '{node.constructor}'],
    ['{node.__proto__}', '{node.__proto__}'],
    ['{node.driver:>20}', '{node.driver:>20}'],
  ])('%s becomes %s', (text, expected) => {
    expect(shown(text)).toBe(expected)
  })

  it('never have a secret in them', () => {
    for (const text of [
      '{node.driver_info}',
      '{node[driver_info][ipmi_password]}',
      '{inventory}',
      '{inventory[bmc_password]}',
    ])
      expect(shown(text)).not.toMatch(/hunter/)
  })

  it('take what a machine reports as it is: it cannot ask for fields', () => {
    const hostile = '{node[driver_info][ipmi_address]}'
    const { node } = does(
      'set-attribute',
      ['extra.{item[key]}', '{item[value]}'],
      { loop: [{ key: 'k', value: '{inventory[x]}' }] },
      { inventory: { x: hostile } },
    )
    expect(node).toEqual({ extra: { k: hostile } })
  })
})

describe('rules', () => {
  it('are applied by falling priority, each seeing what those before it did; nothing given is changed', () => {
    const given = found()
    const before = JSON.stringify(given)
    const add = (priority: number, value: string) =>
      rule({
        uuid: value,
        priority,
        actions: [{ op: 'extend-attribute', args: ['extra.order', `${value}{node.extra}`] }],
      })
    const changes = applyInspectionRules([add(1, 'low'), add(9, 'high'), add(1, 'low, later')], given)
    expect(changes.applied).toEqual(['high', 'low', 'low, later'])
    expect((changes.node.extra as { order: string[] }).order.slice(0, 2)).toEqual([
      'high{}',
      'low{"order":["high{}"]}',
    ])
    expect(JSON.stringify(given)).toBe(before)
  })

  it('that are sensitive tell nothing of themselves by failing', () => {
    const secret = rule({
      sensitive: true,
      actions: [{ op: 'set-attribute', args: ['owner', { zebra: 1 }] }],
    })
    expect(() => apply([secret])).toThrow(/it could not be applied\.$/)
  })

  it('end soon whatever the regular expression and the text are', () => {
    const begun = performance.now()
    const slow = { op: 'matches', args: { value: `${'a'.repeat(5_000)}!`, regex: '(a+)+' } }
    expect(() => apply([rule({ conditions: [slow] })])).toThrow(/takes too long/)
    const huge = { op: 'contains', args: { value: 'x'.repeat(70_000), regex: 'x' } }
    expect(() => apply([rule({ conditions: [huge] })])).toThrow(/too long/)
    expect(performance.now() - begun).toBeLessThan(2_000)
  })

  it('have a bound on what they write, whatever their loops', () => {
    const grow = {
      op: 'extend-attribute',
      args: ['extra.x', '{node.extra}'],
      loop: Array.from({ length: 1_000 }, () => 1),
    }
    expect(() => apply([rule({ actions: [grow, grow] })])).toThrow(/cost too much/)
  })

  it('never fail but as rules do, nor touch more than they may, whatever they and the inventory are', () => {
    const text = fc.oneof(
      fc.constantFrom(
        '{node}',
        '{item}',
        '{inventory[a]}',
        '{node[properties][cpus]}',
        '__proto__',
        'extra.a',
        'properties/cpus',
        'extra.__proto__.x',
        port.uuid,
        '{',
        '(',
        'CUSTOM_A',
        'a:b',
      ),
      fc.string({ maxLength: 12 }),
    )
    const value = fc.oneof(text, fc.jsonValue({ maxDepth: 2 }))
    const args = fc.oneof(
      fc.array(value, { maxLength: 5 }),
      fc.dictionary(
        fc.constantFrom('path', 'value', 'values', 'name', 'msg', 'regex', 'port_id', 'unique'),
        value,
      ),
    )
    const loop = fc.option(
      fc.oneof(fc.array(value, { maxLength: 3 }), fc.dictionary(text, value, { maxKeys: 2 })),
      { nil: undefined },
    )
    const part = (names: readonly string[]) =>
      fc.record({ op: fc.constantFrom(...names), args, loop }, { requiredKeys: ['op', 'args'] })
    // Chance alone writes one in some thousand that can be applied.
    const sound = fc.record({
      op: fc.constant('set-attribute'),
      args: fc.record({ path: fc.constant('extra/a'), value }),
    })
    const anyRule = fc.record({
      conditions: fc.array(part(Object.keys(operators).flatMap((name) => [name, `!${name}`])), {
        maxLength: 1,
      }),
      actions: fc.array(fc.oneof(part(Object.keys(actions)), sound), { minLength: 1, maxLength: 3 }),
    })
    const changeable = new Set([
      'properties',
      'extra',
      'driver_info',
      'instance_info',
      'network_data',
      'description',
      'resource_class',
      'owner',
      'lessee',
      'shard',
      'conductor_group',
      'disable_power_off',
      'traits',
    ])
    let applied = 0
    fc.assert(
      fc.property(anyRule, fc.dictionary(text, value), (given, inventory) => {
        const made = rule(given as Partial<AppliedRule>)
        try {
          const changes = applyInspectionRules([made], found({ inventory }))
          applied += changes.applied.length
          for (const name of Object.keys(changes.node)) expect(changeable.has(name)).toBe(true)
        } catch (error) {
          expect((error as Error).constructor.name).toMatch(/^Inspection(RuleError|FailedByRule)$/)
        }
        expect(({} as Record<string, unknown>).x).toBeUndefined()
      }),
      { numRuns: 1_000 },
    )
    expect(applied).toBeGreaterThan(0)
  })

  it('that pass the check when written have arguments that every operator and action takes', () => {
    const names = fc.constantFrom(...Object.keys(actions))
    fc.assert(
      fc.property(names, fc.array(fc.string(), { maxLength: 5 }), (op, args) => {
        const { required, optional } = actions[op] as {
          required: readonly string[]
          optional: readonly string[]
        }
        const fits =
          op !== 'api-call' &&
          args.length >= required.length &&
          args.length <= required.length + optional.length
        const check = () => checkInspectionRule({ conditions: [], actions: [{ op, args }] })
        if (fits) expect(check).not.toThrow()
        else expect(check).toThrow(/^actions\.0: /)
      }),
    )
  })
})
