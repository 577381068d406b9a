/**
 * Every option of the service, once: where it can be set, its type, default, unit and help.
 *
 * An option `a.b_c` is `--a-b-c` as a flag, `LEASEHOLD_A_B_C` in the environment and `b_c` below `a` in the YAML
 * file. A flag wins over the environment, that over the file, that over the default.
 */
import { readFileSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { hostname } from 'node:os'
import { parse } from 'yaml'
import { messageOf } from './errors.ts'

interface Kind<T> {
  /** What `--help` calls a value; empty for a switch. */
  metavar: string
  /** @throws Error that says what a value must be. */
  read: (text: string) => T
  /** How the default is written, where it is not plain text. */
  show?: (value: T) => string
}

interface Option<T> {
  kind: Kind<T>
  default: T
  help: string
}

const option = <T>(kind: Kind<T>, defaultValue: T, help: string): Option<T> => ({
  kind,
  default: defaultValue,
  help,
})

const text: Kind<string> = { metavar: 'TEXT', read: (value) => value }
const optionalText: Kind<string | undefined> = { metavar: 'TEXT', read: (value) => value || undefined }
const path: Kind<string> = {
  metavar: 'PATH',
  read: (value) => {
    if (value === '') throw new Error('must not be empty')
    return value
  },
}
const optionalPath: Kind<string | undefined> = { ...optionalText, metavar: 'PATH' }
const flag: Kind<boolean> = {
  metavar: '',
  read: (value) => {
    if (/^(1|t|true|on|y|yes|)$/i.test(value)) return true
    if (/^(0|f|false|off|n|no)$/i.test(value)) return false
    throw new Error('must be true or false')
  },
}
const integer = (minimum: number, maximum = 2 ** 31 - 1): Kind<number> => ({
  metavar: 'N',
  read: (value) => {
    const number = Number(value)
    if (!/^\d{1,15}$/.test(value) || number < minimum || number > maximum)
      throw new Error(`must be a whole number from ${minimum} to ${maximum}`)
    return number
  },
})
const oneOf = <T extends string>(...values: readonly T[]): Kind<T> => ({
  metavar: values.join('|'),
  read: (value) => {
    if (!values.includes(value as T)) throw new Error(`must be one of ${values.join(', ')}`)
    return value as T
  },
})
const url: Kind<string | undefined> = {
  metavar: 'URL',
  read: (value) => {
    if (value === '') return undefined
    if (!URL.canParse(value) || !/^https?:\/\//i.test(value))
      throw new Error('must be a URL that begins with http:// or https://')
    return value.replace(/\/+$/, '')
  },
}
const databaseUrl: Kind<string | undefined> = {
  metavar: 'URL',
  read: (value) => {
    if (value === '') return undefined
    if (!/^postgres(ql)?:\/\//.test(value)) throw new Error('must begin with postgresql://')
    return value
  },
}
const address: Kind<{ host: string; port: number }> = {
  metavar: 'HOST:PORT',
  read: (value) => {
    const match = /^(?:\[(?<six>[0-9a-fA-F:.]+)\]|(?<host>[^:\s]+)):(?<port>\d{1,5})$/.exec(value)
    const port = Number(match?.groups?.port)
    if (!match || port > 65535) throw new Error('must be HOST:PORT, such as 127.0.0.1:6385 or [::1]:6385')
    return { host: match.groups?.six ?? match.groups?.host ?? '', port }
  },
  show: ({ host, port }) => `${host}:${port}`,
}

const optionalAddress: Kind<{ host: string; port: number } | undefined> = {
  metavar: address.metavar,
  read: (value) => (value === '' ? undefined : address.read(value)),
}
const portRange: Kind<{ first: number; last: number }> = {
  metavar: 'FIRST-LAST',
  read: (value) => {
    const [first, last] = value.split('-').map(Number)
    if (!/^\d{1,5}-\d{1,5}$/.test(value) || !first || !last || first > last || last > 65_535)
      throw new Error('must be two ports, such as 10000-10999')
    return { first, last }
  },
  show: ({ first, last }) => `${first}-${last}`,
}
const networks: Kind<readonly string[]> = {
  metavar: 'NETWORKS',
  read: (value) => {
    const list = value === '' ? [] : value.split(',').map((each) => each.trim())
    for (const each of list) {
      const [host = '', bits] = each.split('/')
      const most = isIP(host) === 6 ? 128 : 32
      if (isIP(host) === 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most)))
        throw new Error('must be IP addresses or networks such as 10.0.0.0/8, with commas between')
    }
    return list
  },
  show: (list) => list.join(','),
}

const options = {
  data: option(
    path,
    'data',
    'directory of everything the service keeps: database, clouds.yaml, keys, journals of consoles, the lab',
  ),
  listen: option(address, { host: '127.0.0.1', port: 6385 }, 'address the API answers at'),
  demo: option(flag, false, 'adds, once, three tenants and a lab of 12 simulated machines with IPMI'),
  'database.url': option(databaseUrl, undefined, 'a PostgreSQL server to use in place of the embedded one'),
  'database.pool_size': option(integer(2, 1000), 20, 'connections to the database at most'),
  'log.level': option(
    oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    'info',
    'least grave messages that are logged',
  ),
  'auth.strategy': option(
    oneOf('standalone', 'keystone', 'none'),
    'standalone',
    'who knows the callers: this service, a Keystone, or nobody (loopback only)',
  ),
  'identity.token_seconds': option(integer(60), 14_400, 'life of a token, seconds (standalone)'),
  'identity.admin_password': option(
    optionalText,
    undefined,
    'password of the first administrator; random when left out (standalone, first start)',
  ),
  'keystone.url': option(url, undefined, 'Keystone, such as https://keystone.example.org/v3'),
  'keystone.username': option(text, 'ironic', 'service user that validates tokens'),
  'keystone.password': option(optionalText, undefined, 'its password'),
  'keystone.user_domain': option(text, 'Default', 'its domain, by name'),
  'keystone.project': option(text, 'service', 'its project, by name'),
  'keystone.project_domain': option(text, 'Default', "its project's domain, by name"),
  'keystone.cache_seconds': option(
    integer(0, 300),
    10,
    'how long an answer of Keystone about a token is believed, seconds',
  ),
  'keystone.timeout_seconds': option(integer(1, 120), 10, 'how long Keystone may take to answer, seconds'),
  'api.public_endpoint': option(
    url,
    undefined,
    "base of links in answers; the request's own host when left out",
  ),
  'api.request_timeout_seconds': option(
    integer(1, 3600),
    120,
    'how long a request may take to arrive whole, seconds',
  ),
  'api.max_limit': option(integer(1, 10_000), 1000, 'longest page of a list'),
  'api.project_admin_can_manage_own_nodes': option(
    flag,
    true,
    'project admins may create nodes for, and delete nodes of, their project',
  ),
  'api.enable_ramdisk_endpoints': option(
    flag,
    true,
    'lookup, heartbeat and continue_inspection answer; they need no token',
  ),
  'api.restrict_lookup': option(
    flag,
    true,
    'lookup finds only nodes in states in which a ramdisk is expected',
  ),
  'api.ramdisk_heartbeat_timeout_seconds': option(
    integer(5, 86_400),
    300,
    'silence after which an agent that was told so counts as lost, seconds',
  ),
  'api.ramdisk_requests_per_second': option(
    integer(1, 100_000),
    10,
    'requests of ramdisks from one address, in the long run; thirty times as many at once',
  ),
  'policy.file': option(
    optionalPath,
    undefined,
    'policy.yaml whose rules take the place of the default ones',
  ),
  'policy.service_role_elevated_access': option(
    flag,
    false,
    'role service in the service project counts as a system member',
  ),
  'policy.service_project_name': option(text, 'service', 'name of that project'),
  'audit.retention_days': option(
    integer(1, 36_500),
    365,
    'how long the record of who did what is kept, days',
  ),
  'conductor.host': option(
    text,
    hostname(),
    'name of this conductor; unique among conductors of one database',
  ),
  'conductor.group': option(text, '', 'conductor group that it serves'),
  'conductor.automated_clean': option(flag, true, 'nodes are cleaned on their way to available'),
  'conductor.automatic_lessee': option(
    flag,
    true,
    'a deployed node is lent to instance_info.project_id until it is undeployed',
  ),
  'conductor.allow_deleting_available_nodes': option(flag, true, 'a node in available may be deleted'),
  'conductor.default_resource_class': option(
    optionalText,
    undefined,
    'resource class of nodes created without one',
  ),
  'conductor.default_portgroup_mode': option(
    text,
    'active-backup',
    'mode of port groups created without one',
  ),
  'conductor.workers': option(integer(1, 10_000), 100, 'node actions at once in this conductor'),
  'conductor.heartbeat_seconds': option(
    integer(1, 3600),
    10,
    'how often a conductor says that it lives, seconds',
  ),
  'conductor.liveness_seconds': option(
    integer(2, 7200),
    60,
    'silence after which a conductor counts as dead, seconds',
  ),
  'conductor.lock_attempts': option(integer(1, 100), 3, 'tries to lock a node before 409'),
  'conductor.lock_interval_ms': option(integer(1, 60_000), 1000, 'pause between those tries, milliseconds'),
  'conductor.callback_timeout_seconds': option(
    integer(0, 86_400),
    1800,
    'how long a node may stay in a wait state, seconds; 0: for ever',
  ),
  'conductor.step_timeout_seconds': option(
    integer(1, 86_400),
    3600,
    'how long one step may keep a conductor busy, seconds',
  ),
  'conductor.workflow_retention_seconds': option(
    integer(0, 31_536_000),
    3600,
    'how long the record of a finished workflow is kept, seconds; history stays',
  ),
  'conductor.power_sync_seconds': option(
    integer(0, 86_400),
    60,
    'how often power states are read from the machines, seconds; 0: never',
  ),
  'conductor.power_change_timeout_seconds': option(
    integer(1, 3600),
    60,
    'how long a machine may take to change its power, seconds',
  ),
  'hardware.allowed_networks': option(
    networks,
    [],
    'where BMCs and consoles may be: addresses and networks, with commas between; anywhere when left out',
  ),
  'serial.allow_local': option(
    flag,
    false,
    'consoles over ssh and tcp may lead to this host and to link-local addresses',
  ),
  'ipmi.request_timeout_ms': option(
    integer(50, 60_000),
    1000,
    'wait for one datagram before it is sent again, milliseconds',
  ),
  'ipmi.command_timeout_ms': option(
    integer(100, 600_000),
    10_000,
    'wait for a command with all its retries, milliseconds',
  ),
  'ipmi.max_concurrent': option(integer(1, 10_000), 128, 'commands under way at once over all BMCs'),
  'console.keep_alive_ms': option(
    integer(200, 20_000),
    2000,
    'how often a BMC is asked whether its serial line still is ours, milliseconds',
  ),
  'console.when_taken': option(
    oneOf('retake', 'yield'),
    'retake',
    'what to do when another program has taken a serial line: take it back, or report it and wait',
  ),
  'console.off_linger_seconds': option(
    integer(0, 3600),
    15,
    'how long a console that was switched off keeps its line, for who switches it on again, seconds',
  ),
  'console.settle_ms': option(
    integer(0, 60_000),
    500,
    'for how long what a line still brings is shown to nobody when its node has changed hands, milliseconds',
  ),
  'console.scrollback_kb': option(integer(0, 16_384), 64, 'what a watcher sees first of the past, KiB'),
  'console.watcher_buffer_kb': option(
    integer(64, 65_536),
    1024,
    'what is kept in memory for a watcher that does not keep up, KiB; the rest it gets from the journal',
  ),
  'console.watcher_buffers_mb': option(
    integer(1, 65_536),
    256,
    'what is kept so for all watchers of this process together, MiB; beyond it each is given one piece at a time',
  ),
  'console.max_watchers': option(integer(1, 10_000), 200, 'watchers of one console at most'),
  'console.max_watchers_per_project': option(
    integer(1, 10_000),
    1000,
    'watchers of one project at most, by WebSocket and ssh, in this process',
  ),
  'console.max_ssh_per_project': option(
    integer(1, 2000),
    500,
    'connections of one project to the SSH door at most, of 2,000 for all',
  ),
  'console.ticket_seconds': option(integer(1, 3600), 30, 'how long a ticket to a console is good, seconds'),
  'console.former_tenants_read': option(
    flag,
    false,
    'who had a node may go on reading what its console showed in that time',
  ),
  'console.journal_mb_per_node': option(integer(2, 1_048_576), 64, 'journal of one console at most, MiB'),
  'console.journal_mb': option(integer(16, 1_073_741_824), 16_384, 'journals of all consoles at most, MiB'),
  'console.journal_days': option(integer(1, 36_500), 30, 'how long a journal is kept, days'),
  'console.internal_url': option(
    url,
    undefined,
    'where other conductors reach this API; http:// and the listening address when left out',
  ),
  'console.ssh_listen': option(
    optionalAddress,
    undefined,
    'address of the SSH door; when left out none, with --demo 127.0.0.1:2222 or, if taken, any port',
  ),
  'console.tcp_listen': option(
    optionalText,
    undefined,
    'address of unauthenticated TCP doors, one a console, for Nova’s serial proxy; none when left out',
  ),
  'console.tcp_ports': option(portRange, { first: 10_000, last: 10_999 }, 'ports of those doors'),
  'neutron.url': option(
    url,
    undefined,
    'Neutron, such as https://neutron.example.org:9696; found in the catalog of Keystone when left out',
  ),
  'neutron.region': option(
    optionalText,
    undefined,
    'region of the Neutron in the catalog; the first when left out',
  ),
  'neutron.timeout_seconds': option(integer(1, 300), 30, 'how long Neutron may take to answer, seconds'),
  'console.tcp_sources': option(
    networks,
    ['127.0.0.1', '::1'],
    'who may connect to those doors: addresses and networks, with commas between; this host’s own only if listed singly',
  ),
  'networking.provider': option(
    oneOf('local', 'neutron'),
    'local',
    "who holds networks and ports: this service, or the cloud's Neutron; the latter needs auth.strategy keystone",
  ),
  'networking.key_file': option(
    optionalPath,
    undefined,
    "key that switches' credentials are sealed with, made at the first start; DATA/networking.key when left out",
  ),
  'networking.provisioning_network': option(
    optionalText,
    undefined,
    "the operator's network, by name or UUID (of a Neutron: by UUID), for nodes that are deployed; they stay isolated when left out",
  ),
  'networking.cleaning_network': option(
    optionalText,
    undefined,
    'the same for nodes that are cleaned; they stay isolated when left out',
  ),
  'networking.rescuing_network': option(
    optionalText,
    undefined,
    'the same for nodes that are rescued; they stay in their tenant’s networks when left out',
  ),
  'networking.inspection_network': option(
    optionalText,
    undefined,
    'the same for nodes that are inspected; their switch ports are left alone when left out',
  ),
  'networking.poll_seconds': option(
    integer(1, 86_400),
    60,
    'how often a switch that does not tell of changes is read, to find what others have changed, seconds',
  ),
  'networking.repair_drift': option(flag, true, 'puts back what others have changed of a switch port'),
  'networking.isolation_timeout_seconds': option(
    integer(1, 3600),
    60,
    'how long a switch port may take to be verified idle before its node is put into maintenance, seconds',
  ),
  'networking.retry_ms': option(
    integer(10, 600_000),
    1000,
    'wait before a switch is tried again, milliseconds; doubled each time, up to 30 s',
  ),
  'networking.switches_file': option(
    optionalPath,
    undefined,
    'YAML with switches, their ports and VLAN pools, which are put into the database at each start',
  ),
  'networking.quota_networks': option(integer(0), 100, 'networks of one project at most'),
  'networking.quota_ports': option(integer(0), 500, 'ports of networks of one project at most'),
} as const

type Options = typeof options
export type OptionName = keyof Options
/** Settings by option name: `config['database.url']`. */
export type Config = { readonly [Name in OptionName]: Options[Name] extends Option<infer T> ? T : never }

/** A wrong option or value: said on stderr, exit code 2. */
export class ConfigError extends Error {}

const names = Object.keys(options) as OptionName[]
const flagOf = (name: string): string => `--${name.replace(/[._]/g, '-')}`
const variableOf = (name: string): string => `LEASEHOLD_${name.replace(/\./g, '_').toUpperCase()}`

/** The defaults, as tests and tools want them, with some settings of their own. */
export function defaultConfig(own: Partial<Config> = {}): Config {
  return { ...Object.fromEntries(names.map((name) => [name, options[name].default])), ...own } as Config
}

/**
 * Reads flags, environment and the YAML file that `--config` or LEASEHOLD_CONFIG names.
 * @throws ConfigError that names the option and what it must be.
 */
export function loadConfig(args: readonly string[], environment: NodeJS.ProcessEnv): Config {
  const { file: flagFile, values: flags } = readFlags(args)
  const file = flagFile ?? environment.LEASEHOLD_CONFIG
  const config: Record<string, unknown> = { ...defaultConfig() }
  if (file)
    for (const [name, value] of readFile(file)) config[name] = readValue(name, value, `${name} in ${file}`)
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('LEASEHOLD_') || variable === 'LEASEHOLD_CONFIG' || value === undefined) continue
    const name = names.find((each) => variableOf(each) === variable)
    if (!name) throw new ConfigError(`${variable}: no such option${suggest(variable, names.map(variableOf))}`)
    config[name] = readValue(name, value, variable)
  }
  for (const [name, value] of flags) config[name] = readValue(name, value, flagOf(name))
  return checkTogether(config as Config)
}

/** What `--help` prints. */
export function helpText(): string {
  const rows = names.map((name) => {
    const { kind, default: value, help } = options[name]
    const shown = value === undefined ? undefined : ((kind as Kind<unknown>).show?.(value) ?? String(value))
    const suffix = shown === undefined || shown === '' || shown === 'false' ? '' : ` (default ${shown})`
    return [`${flagOf(name)} ${kind.metavar}`.trimEnd(), help + suffix] as const
  })
  rows.unshift([
    '--config PATH',
    'YAML file with these options: "listen: 127.0.0.1:6385", or "url:" below "database:"',
  ])
  return `${rows.map(([left, right]) => `  ${left}\n        ${right}`).join('\n')}

Each option is also an environment variable: --database-url is LEASEHOLD_DATABASE_URL.
`
}

function readFlags(args: readonly string[]): { file: string | undefined; values: [OptionName, string][] } {
  let file: string | undefined
  const values: [OptionName, string][] = []
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] as string
    const [given, inline] = splitOnce(argument, '=')
    const negated = given.startsWith('--no-')
    const name = names.find((each) => flagOf(each) === (negated ? `--${given.slice(5)}` : given))
    if (given !== '--config' && !name)
      throw new ConfigError(
        `${given}: no such option${suggest(given, [...names.map(flagOf), '--config'])}; --help lists them`,
      )
    const isSwitch = name !== undefined && options[name].kind.metavar === ''
    if (negated && !isSwitch) throw new ConfigError(`${given}: only a switch can be negated`)
    if (isSwitch) {
      values.push([name, negated ? 'false' : (inline ?? 'true')])
      continue
    }
    const value = inline ?? args[++index]
    if (value === undefined) throw new ConfigError(`${given}: a value is missing`)
    if (name) values.push([name, value])
    else file = value
  }
  return { file, values }
}

function* readFile(file: string): Generator<[OptionName, string]> {
  let document: unknown
  try {
    // Every value as it is written: the password 0123 is no number.
    document = parse(readFileSync(file, 'utf8'), { schema: 'failsafe' }) || {}
  } catch (error) {
    throw new ConfigError(`--config ${file}: ${messageOf(error)}`)
  }
  if (typeof document !== 'object' || Array.isArray(document))
    throw new ConfigError(`--config ${file}: must be a mapping`)
  for (const [key, value] of Object.entries(document as Record<string, unknown>)) {
    const group = value !== null && typeof value === 'object' && !Array.isArray(value)
    const entries: [string, unknown][] = group
      ? Object.entries(value).map(([inner, each]) => [`${key}.${inner}`, each])
      : [[key, value]]
    for (const [name, each] of entries) {
      if (!names.includes(name as OptionName))
        throw new ConfigError(`${name} in ${file}: no such option${suggest(name, names)}`)
      if (typeof each !== 'string') throw new ConfigError(`${name} in ${file}: must be a plain value`)
      yield [name as OptionName, String(each)]
    }
  }
}

function readValue(name: OptionName, value: string, place: string): unknown {
  try {
    return options[name].kind.read(value)
  } catch (error) {
    const secret = name.endsWith('password') || name === 'database.url'
    throw new ConfigError(`${place}: ${messageOf(error)}${secret ? '' : `, not "${value}"`}`)
  }
}

/** Rules that span options. */
function checkTogether(config: Config): Config {
  if (config['auth.strategy'] === 'none' && !isLoopback(config.listen.host))
    throw new ConfigError(`--auth-strategy none: only with --listen on loopback, not ${config.listen.host}`)
  if (config['auth.strategy'] === 'keystone' && (!config['keystone.url'] || !config['keystone.password']))
    throw new ConfigError('--auth-strategy keystone: needs --keystone-url and --keystone-password')
  if (config['networking.provider'] === 'neutron') checkNeutron(config)
  if (config.demo && config['auth.strategy'] !== 'standalone')
    throw new ConfigError('--demo: needs --auth-strategy standalone')
  if (config['conductor.liveness_seconds'] <= config['conductor.heartbeat_seconds'])
    throw new ConfigError('--conductor-liveness-seconds: must be more than --conductor-heartbeat-seconds')
  return config
}

/** With networks of a Neutron. */
function checkNeutron(config: Config): void {
  if (config['auth.strategy'] !== 'keystone')
    throw new ConfigError(
      '--networking-provider neutron: needs --auth-strategy keystone, of the Keystone that Neutron asks, too',
    )
  for (const role of ['provisioning', 'cleaning', 'rescuing', 'inspection'] as const) {
    const name = `networking.${role}_network` as const
    // A tenant can give its network any name; its UUID nobody else's network has.
    if (config[name] !== undefined && !/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(config[name]))
      throw new ConfigError(
        `${flagOf(name)}: with --networking-provider neutron it must be the network's UUID, not "${config[name]}"`,
      )
  }
}

/** By address only: what a name like 127.example.org stands for is up to others. */
function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  const family = isIP(host)
  return family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** The nearest name, when one is near. */
function suggest(wrong: string, right: readonly string[]): string {
  const near = right.map((name) => [distance(wrong, name), name] as const).sort(([a], [b]) => a - b)[0]
  return near && near[0] <= 3 ? ` (did you mean ${near[1]}?)` : ''
}

/** Levenshtein's edit distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      )
    row = next
  }
  return row[b.length] ?? 0
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)]
}
