/**
 * Every option of the service, once: where it can be set, its type, default, unit and help.
 *
 * An option `a.b_c` is `--a-b-c` as a flag, `LEASEHOLD_A_B_C` in the environment and `b_c` below `a` in the YAML
 * file. A flag wins over the environment, that over the file, that over the default.
 */
import { readFileSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { parse } from 'yaml'
import { consoleOptions } from './config/console-options.ts'
import type { Kind, Option } from './config/kinds.ts'
import { networkingOptions } from './config/networking-options.ts'
import { serviceOptions } from './config/service-options.ts'
import { suggest } from './config/suggest.ts'
import { messageOf } from './errors.ts'

const options = { ...serviceOptions, ...consoleOptions, ...networkingOptions } as const

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

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)]
}
