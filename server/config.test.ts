import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { type Config, ConfigError, defaultConfig, helpText, loadConfig, type OptionName } from './config.ts'

const directory = mkdtempSync(join(tmpdir(), 'leasehold-config-'))
afterAll(() => rmSync(directory, { recursive: true }))

const names = Object.keys(defaultConfig()) as OptionName[]
const flagOf = (name: string) => `--${name.replace(/[._]/g, '-')}`

/** A YAML file of this text; its path. */
function file(text: string): string {
  const path = join(directory, 'leasehold.yaml')
  writeFileSync(path, text)
  return path
}
const refusal = (args: string[], environment: NodeJS.ProcessEnv = {}): string => {
  try {
    loadConfig(args, environment)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  throw new Error(`${args.join(' ')} was taken`)
}

describe('an option', () => {
  test('that nobody sets has its default', () => {
    expect(loadConfig([], { PATH: '/bin', HOME: '/root' })).toEqual(defaultConfig())
    expect(defaultConfig()).toMatchObject({
      data: 'data',
      listen: { host: '127.0.0.1', port: 6385 },
      demo: false,
      'auth.strategy': 'standalone',
    })
  })

  test.each([
    [['--data', '/srv'], 'data', '/srv'],
    [['--data=/srv=2'], 'data', '/srv=2'],
    [['--listen', '[::1]:80'], 'listen', { host: '::1', port: 80 }],
    [['--listen', 'example.org:0'], 'listen', { host: 'example.org', port: 0 }],
    [['--demo'], 'demo', true],
    [['--demo=off'], 'demo', false],
    [['--no-demo'], 'demo', false],
    [['--no-conductor-automated-clean'], 'conductor.automated_clean', false],
    [['--database-pool-size', '2'], 'database.pool_size', 2],
    [['--database-url', 'postgres://h/d'], 'database.url', 'postgres://h/d'],
    [['--database-url', ''], 'database.url', undefined],
    [['--keystone-url', 'https://k/v3/'], 'keystone.url', 'https://k/v3'],
    [['--log-level', 'trace'], 'log.level', 'trace'],
    [['--conductor-callback-timeout-seconds', '0'], 'conductor.callback_timeout_seconds', 0],
    [['--data', 'a', '--data', 'b'], 'data', 'b'],
    [['--auth-strategy', 'none', '--listen', '[::1]:1'], 'auth.strategy', 'none'],
    [['--auth-strategy', 'none', '--listen', '127.1.2.3:1'], 'auth.strategy', 'none'],
  ] as const)('%j is %s', (args, name, value) => {
    expect(loadConfig([...args], {})[name]).toEqual(value)
  })

  test('can be set by flag, environment and file alike, whichever it is', () => {
    const example: Partial<Record<OptionName, string>> = {
      listen: 'h.test:1',
      'database.url': 'postgresql://h/d',
      'log.level': 'warn',
      'keystone.url': 'http://k',
      'api.public_endpoint': 'http://p',
      'auth.strategy': 'standalone',
      'networking.provider': 'local',
      'neutron.url': 'http://n',
      'console.when_taken': 'yield',
      'console.internal_url': 'http://c',
      'console.ssh_listen': 's.test:2',
      'console.tcp_ports': '5-6',
      'console.tcp_sources': '10.1.0.0/16',
      'hardware.allowed_networks': '10.1.0.0/16, fd00::1',
    }
    for (const name of names) {
      const value = defaultConfig()[name]
      const text =
        example[name] ??
        (typeof value === 'number' ? String(value + 1) : typeof value === 'boolean' ? String(!value) : 'text')
      const [group, inner] = name.split('.') as [string, string | undefined]
      const yaml = inner ? `${group}:\n  ${inner}: ${text}\n` : `${group}: ${text}\n`
      const byFlag = loadConfig([`${flagOf(name)}=${text}`], {})
      const byVariable = loadConfig([], { [`LEASEHOLD_${name.replace('.', '_').toUpperCase()}`]: text })
      const byFile = loadConfig(['--config', file(yaml)], {})
      // The others of these two ask for more.
      if (name !== 'auth.strategy' && name !== 'networking.provider')
        expect(byFlag[name], name).not.toEqual(value)
      expect(byVariable, name).toEqual(byFlag)
      expect(byFile, name).toEqual(byFlag)
    }
  })

  test('of a flag wins over the environment, that over the file, that over the default', () => {
    const path = file('data: from-file\nlog:\n  level: warn\ndatabase:\n  pool_size: 3\n')
    const environment = {
      LEASEHOLD_CONFIG: path,
      LEASEHOLD_DATA: 'from-environment',
      LEASEHOLD_LOG_LEVEL: 'error',
    }
    const { data, ...config } = loadConfig(['--data', 'from-flag'], environment)
    expect(data).toBe('from-flag')
    expect(config['log.level']).toBe('error')
    expect(config['database.pool_size']).toBe(3)
    expect(config['conductor.workers']).toBe(100)
  })

  test('in the file is taken as it is written, and nothing for an empty one', () => {
    const path = file('identity:\n  admin_password: 0123\nconductor:\n  group:\nlog: { level: "warn" }\n')
    expect(loadConfig(['--config', path], {})).toMatchObject({
      'identity.admin_password': '0123',
      'conductor.group': '',
      'log.level': 'warn',
    })
    expect(loadConfig(['--config', file('# nothing yet\n')], {})).toEqual(defaultConfig())
  })

  test('of --config wins over LEASEHOLD_CONFIG', () => {
    const path = file('data: mine\n')
    expect(loadConfig(['--config', path], { LEASEHOLD_CONFIG: '/no/such/file' }).data).toBe('mine')
  })
})

describe('what is wrong is refused by name', () => {
  test.each([
    [['--lissten', 'x'], '--lissten: no such option (did you mean --listen?); --help lists them'],
    [['--no-data'], '--no-data: only a switch can be negated'],
    [['--no-dema'], '--no-dema: no such option'],
    [['up'], 'up: no such option'],
    [['--data'], '--data: a value is missing'],
    [['--config'], '--config: a value is missing'],
    [['--data', ''], '--data: must not be empty'],
    [['--listen', '6385'], '--listen: must be HOST:PORT, such as 127.0.0.1:6385 or [::1]:6385, not "6385"'],
    [['--listen', 'h:65536'], '--listen: must be HOST:PORT'],
    [['--demo=maybe'], '--demo: must be true or false, not "maybe"'],
    [['--database-pool-size', '1'], '--database-pool-size: must be a whole number from 2 to 1000, not "1"'],
    [['--database-pool-size', '2.5'], '--database-pool-size: must be a whole number'],
    [['--database-pool-size', ''], '--database-pool-size: must be a whole number'],
    [['--conductor-workers', '0x10'], '--conductor-workers: must be a whole number'],
    [['--conductor-workers', '1e2'], '--conductor-workers: must be a whole number'],
    [['--log-level', 'loud'], '--log-level: must be one of fatal, error'],
    [
      ['--keystone-url', 'keystone'],
      '--keystone-url: must be a URL that begins with http:// or https://, not "keystone"',
    ],
    [['--auth-strategy', 'none', '--listen', '[::]:1'], '--auth-strategy none: only with'],
    [['--keystone-url', 'ftp://k'], '--keystone-url: must be a URL'],
    [
      ['--auth-strategy', 'none', '--listen', '0.0.0.0:1'],
      '--auth-strategy none: only with --listen on loopback, not 0.0.0.0',
    ],
    [['--auth-strategy', 'none', '--listen', '127.example.org:1'], '--auth-strategy none: only with'],
    [
      ['--auth-strategy', 'keystone'],
      '--auth-strategy keystone: needs --keystone-url and --keystone-password',
    ],
    [
      ['--networking-provider', 'neutron'],
      '--networking-provider neutron: needs --auth-strategy keystone, of the Keystone that Neutron asks',
    ],
    [
      [
        ...['--networking-provider', 'neutron', '--networking-cleaning-network', 'cleaning'],
        ...['--auth-strategy', 'keystone', '--keystone-url', 'http://k', '--keystone-password', 'p'],
      ],
      '--networking-cleaning-network: with --networking-provider neutron it must be the network\'s UUID, not "cleaning"',
    ],
    [['--auth-strategy', 'none', '--demo'], '--demo: needs --auth-strategy standalone'],
    [
      ['--conductor-heartbeat-seconds', '60'],
      '--conductor-liveness-seconds: must be more than --conductor-heartbeat-seconds',
    ],
  ] as const)('%j', (args, message) => {
    expect(refusal([...args])).toContain(message)
  })

  test('in the environment', () => {
    expect(refusal([], { LEASEHOLD_DATTA: 'x' })).toBe(
      'LEASEHOLD_DATTA: no such option (did you mean LEASEHOLD_DATA?)',
    )
    expect(refusal([], { LEASEHOLD_DEMO: 'x' })).toBe('LEASEHOLD_DEMO: must be true or false, not "x"')
  })

  test.each([
    ['date: x', /^date in .*leasehold\.yaml: no such option \(did you mean data\?\)$/],
    ['database:\n  ulr: x', /^database\.ulr in .*\(did you mean database\.url\?\)$/],
    ['listen: [1, 2]', /^listen in .*: must be a plain value$/],
    ['database:\n  url:\n    deep: 1', /^database\.url in .*: must be a plain value$/],
    ['listen: 80', /^listen in .*: must be HOST:PORT/],
    ['- data', /^--config .*leasehold\.yaml: must be a mapping$/],
    ['data: [', /^--config .*leasehold\.yaml: /],
    ['data: a\ndata: b', /^--config .*leasehold\.yaml: .*unique/],
  ])('in the file: %s', (text, message) => {
    expect(refusal(['--config', file(text)])).toMatch(message)
  })

  test('a file that is not there', () => {
    expect(refusal(['--config', '/no/such/file'])).toContain('/no/such/file')
  })

  test('and a secret is not repeated', () => {
    for (const args of [
      ['--database-url', 'mysql://u:hunter2@h'],
      ['--keystone-password=hunter2', '--keystone-url', 'x'],
    ])
      expect(refusal(args)).not.toContain('hunter2')
  })

  test('whatever is given, it is a Config or a ConfigError', () => {
    const word = fc.oneof(
      fc.constantFrom(...names.map(flagOf), '--config', '--no-demo', '--', '-', '=', '--demo=1'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (args) => {
        try {
          const config: Config = loadConfig(args, {})
          expect(Object.keys(config)).toEqual(names)
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error
        }
      }),
    )
  })
})

describe('--help', () => {
  test('lists every option with what it takes and its default', () => {
    const help = helpText()
    for (const name of names) expect(help).toMatch(new RegExp(`^  ${flagOf(name)}( |$)`, 'm'))
    expect(help).toContain('--listen HOST:PORT\n        address the API answers at (default 127.0.0.1:6385)')
    expect(help).toMatch(/^ {2}--config PATH$/m)
    expect(help).not.toMatch(/undefined|null|NaN|\[object/)
  })
})
