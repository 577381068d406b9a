/** What a rule may do, one row an action. Actions work on copies: what they change is written when all went well. */
import { type Attribute, attributeOf, nodeAttributes, portAttributes } from './attributes.ts'
import { InspectionRuleError } from './budget.ts'
import { textOf } from './format.ts'
import { extendAt, type Json, keysOf, member, removeAt, setAt, setMember } from './json.ts'
import type { Arguments, Signature } from './signature.ts'

/** What rules work on, and what they have changed of it. */
export interface Bench {
  node: Json
  ports: Json[]
  pluginData: Json
  changedNode: Set<string>
  /** By the port's UUID. */
  changedPorts: Map<string, Set<string>>
  log: { level: string; message: string }[]
}

export interface Action extends Signature {
  /** @throws InspectionRuleError for what cannot be done. */
  run(bench: Bench, args: Arguments): void
}

/** What `fail` says, unlike what goes wrong: it is told as it is. */
export class InspectionFailedByRule extends InspectionRuleError {}

const logLevels = ['debug', 'info', 'warning', 'error', 'critical']
const maximumTraits = 50
const traitName =
  /^(CUSTOM_[A-Z0-9_]+|(HW|COMPUTE|STORAGE|MISC|OWNER|HYPERVISOR|CONTAINER|MANAGER)_[A-Z0-9_]+)$/

export const actions: Readonly<Record<string, Action>> = {
  fail: {
    required: ['msg'],
    optional: [],
    run(_, { msg }) {
      throw new InspectionFailedByRule(textOf(msg).slice(0, 2_000))
    },
  },
  log: {
    required: ['msg'],
    optional: ['level'],
    run(bench, { msg, level = 'info' }) {
      const name = textOf(level).toLowerCase()
      if (!logLevels.includes(name))
        throw new InspectionRuleError(`"level" must be one of ${logLevels.join(', ')}`)
      if (bench.log.length < 1_000) bench.log.push({ level: name, message: textOf(msg).slice(0, 2_000) })
    },
  },
  'set-attribute': {
    required: ['path', 'value'],
    optional: [],
    run: (bench, { path, value }) => ofNode(bench, path, setting(value)),
  },
  'extend-attribute': {
    required: ['path', 'value'],
    optional: ['unique'],
    run: (bench, { path, value, unique }) => ofNode(bench, path, extending(value, unique)),
  },
  'del-attribute': {
    required: ['path'],
    optional: [],
    run: (bench, { path }) => ofNode(bench, path, deleting),
  },
  'set-capability': {
    required: ['name', 'value'],
    optional: [],
    run: (bench, { name, value }) => changeCapability(bench, textOf(name), textOf(value)),
  },
  'unset-capability': {
    required: ['name'],
    optional: [],
    run: (bench, { name }) => changeCapability(bench, textOf(name), undefined),
  },
  'add-trait': { required: ['name'], optional: [], run: addTrait },
  'remove-trait': {
    required: ['name'],
    optional: [],
    run: (bench, { name }) => setTraits(bench, (traits) => traits.filter((each) => each !== name)),
  },
  'set-plugin-data': {
    required: ['path', 'value'],
    optional: [],
    run: (bench, { path, value }) => setAt(bench.pluginData, keysOf(path), value),
  },
  'extend-plugin-data': {
    required: ['path', 'value'],
    optional: ['unique'],
    run: (bench, { path, value, unique }) => extendAt(bench.pluginData, keysOf(path), value, isTrue(unique)),
  },
  'unset-plugin-data': { required: ['path'], optional: [], run: unsetPluginData },
  'set-port-attribute': {
    required: ['port_id', 'path', 'value'],
    optional: [],
    run: (bench, { port_id: id, path, value }) => ofPort(bench, id, path, setting(value)),
  },
  'extend-port-attribute': {
    required: ['port_id', 'path', 'value'],
    optional: ['unique'],
    run: (bench, { port_id: id, path, value, unique }) => ofPort(bench, id, path, extending(value, unique)),
  },
  'del-port-attribute': {
    required: ['port_id', 'path'],
    optional: [],
    run: (bench, { port_id: id, path }) => ofPort(bench, id, path, deleting),
  },
  'api-call': {
    required: ['url'],
    optional: ['headers', 'proxies', 'timeout', 'retries', 'backoff_factor'],
    run() {
      throw new InspectionRuleError(apiCallRefused)
    },
  },
}

export const apiCallRefused =
  'action api-call is not available: with it what a machine reports could make this service call any address; watch the node’s history or the audit instead'

/** A change of an attribute, or of what is within it. */
type Change = (holder: Json, keys: readonly string[], attribute: Attribute) => void

const setting =
  (value: unknown): Change =>
  (holder, keys) =>
    setAt(holder, keys, structuredClone(value))
const extending =
  (value: unknown, unique: unknown): Change =>
  (holder, keys) =>
    extendAt(holder, keys, structuredClone(value), isTrue(unique))
const deleting: Change = (holder, keys, attribute) => {
  if (keys.length === 1) setMember(holder, keys[0] as string, structuredClone(attribute.cleared))
  else if (!removeAt(holder, keys)) throw new InspectionRuleError(`there is no ${keys.join('.')}`)
}

function ofNode(bench: Bench, path: unknown, change: Change): void {
  const keys = keysOf(path)
  applyTo(bench.node, keys, nodeAttributes, change)
  bench.changedNode.add(keys[0] as string)
}

/** `id` is a port's UUID or MAC address. */
function ofPort(bench: Bench, id: unknown, path: unknown, change: Change): void {
  const wanted = textOf(id).toLowerCase()
  const port = bench.ports.find((each) => each.uuid === wanted || each.address === wanted)
  if (!port) throw new InspectionRuleError(`port ${wanted.slice(0, 100)} could not be found`)
  const keys = keysOf(path)
  applyTo(port, keys, portAttributes, change)
  const uuid = port.uuid as string
  bench.changedPorts.set(uuid, (bench.changedPorts.get(uuid) ?? new Set()).add(keys[0] as string))
}

function applyTo(
  target: Json,
  keys: readonly string[],
  table: Readonly<Record<string, Attribute>>,
  change: Change,
): void {
  const name = keys[0] as string
  const attribute = attributeOf(table, name)
  change(target, keys, attribute)
  setMember(target, name, attribute.read(member(target, name)))
}

/** `properties.capabilities` is text: `name:value,name:value`. */
function changeCapability(bench: Bench, name: string, value: string | undefined): void {
  if (!/^[^,:\s]+$/.test(name) || (value !== undefined && /,/.test(value)))
    throw new InspectionRuleError('a capability has a name without ":" or ",", and a value without ","')
  const properties = bench.node.properties as Json
  const before = textOf(member(properties, 'capabilities') ?? '')
  const others = before.split(',').filter((each) => each !== '' && each.split(':')[0]?.trim() !== name)
  const after = value === undefined ? others : [...others, `${name}:${value}`]
  if (after.length > 0) setMember(properties, 'capabilities', after.join(','))
  else delete properties.capabilities
  bench.changedNode.add('properties')
}

function addTrait(bench: Bench, { name }: Arguments): void {
  const trait = textOf(name)
  if (trait.length > 255 || !traitName.test(trait))
    throw new InspectionRuleError(
      `"${trait.slice(0, 255)}" is no trait: use a standard one or CUSTOM_ followed by A-Z, 0-9 and _`,
    )
  setTraits(bench, (traits) => [...new Set([...traits, trait])].sort())
}

function setTraits(bench: Bench, change: (traits: string[]) => string[]): void {
  const traits = change((bench.node.traits ?? []) as string[])
  if (traits.length > maximumTraits)
    throw new InspectionRuleError(`a node has at most ${maximumTraits} traits, not ${traits.length}`)
  bench.node.traits = traits
  bench.changedNode.add('traits')
}

/** An object that has become empty goes with it. */
function unsetPluginData(bench: Bench, { path }: Arguments): void {
  const keys = keysOf(path)
  removeAt(bench.pluginData, keys)
  const holder = keys.slice(0, -1)
  const left = holder.reduce<unknown>((value, key) => member(value, key), bench.pluginData)
  if (holder.length > 0 && left !== undefined && Object.keys(left as Json).length === 0)
    removeAt(bench.pluginData, holder)
}

const isTrue = (value: unknown): boolean =>
  value === true || (typeof value === 'string' && /^(true|yes|on|1)$/i.test(value))
