/** What an option's value can be, and how it is read. */
import { isIP } from 'node:net'

export interface Kind<T> {
  /** What `--help` calls a value; empty for a switch. */
  metavar: string
  /** @throws Error that says what a value must be. */
  read: (text: string) => T
  /** How the default is written, where it is not plain text. */
  show?: (value: T) => string
}

export interface Option<T> {
  kind: Kind<T>
  default: T
  help: string
}

export const option = <T>(kind: Kind<T>, defaultValue: T, help: string): Option<T> => ({
  kind,
  default: defaultValue,
  help,
})

export const text: Kind<string> = { metavar: 'TEXT', read: (value) => value }
export const optionalText: Kind<string | undefined> = { metavar: 'TEXT', read: (value) => value || undefined }
export const path: Kind<string> = {
  metavar: 'PATH',
  read: (value) => {
    if (value === '') throw new Error('must not be empty')
    return value
  },
}
export const optionalPath: Kind<string | undefined> = { ...optionalText, metavar: 'PATH' }
export const flag: Kind<boolean> = {
  metavar: '',
  read: (value) => {
    if (/^(1|t|true|on|y|yes|)$/i.test(value)) return true
    if (/^(0|f|false|off|n|no)$/i.test(value)) return false
    throw new Error('must be true or false')
  },
}
export const integer = (minimum: number, maximum = 2 ** 31 - 1): Kind<number> => ({
  metavar: 'N',
  read: (value) => {
    const number = Number(value)
    if (!/^\d{1,15}$/.test(value) || number < minimum || number > maximum)
      throw new Error(`must be a whole number from ${minimum} to ${maximum}`)
    return number
  },
})
export const oneOf = <T extends string>(...values: readonly T[]): Kind<T> => ({
  metavar: values.join('|'),
  read: (value) => {
    if (!values.includes(value as T)) throw new Error(`must be one of ${values.join(', ')}`)
    return value as T
  },
})
export const url: Kind<string | undefined> = {
  metavar: 'URL',
  read: (value) => {
    if (value === '') return undefined
    if (!URL.canParse(value) || !/^https?:\/\//i.test(value))
      throw new Error('must be a URL that begins with http:// or https://')
    return value.replace(/\/+$/, '')
  },
}
export const databaseUrl: Kind<string | undefined> = {
  metavar: 'URL',
  read: (value) => {
    if (value === '') return undefined
    if (!/^postgres(ql)?:\/\//.test(value)) throw new Error('must begin with postgresql://')
    return value
  },
}
export const address: Kind<{ host: string; port: number }> = {
  metavar: 'HOST:PORT',
  read: (value) => {
    const match = /^(?:\[(?<six>[0-9a-fA-F:.]+)\]|(?<host>[^:\s]+)):(?<port>\d{1,5})$/.exec(value)
    const port = Number(match?.groups?.port)
    if (!match || port > 65535) throw new Error('must be HOST:PORT, such as 127.0.0.1:6385 or [::1]:6385')
    return { host: match.groups?.six ?? match.groups?.host ?? '', port }
  },
  show: ({ host, port }) => `${host}:${port}`,
}

export const optionalAddress: Kind<{ host: string; port: number } | undefined> = {
  metavar: address.metavar,
  read: (value) => (value === '' ? undefined : address.read(value)),
}
export const portRange: Kind<{ first: number; last: number }> = {
  metavar: 'FIRST-LAST',
  read: (value) => {
    const [first, last] = value.split('-').map(Number)
    if (!/^\d{1,5}-\d{1,5}$/.test(value) || !first || !last || first > last || last > 65_535)
      throw new Error('must be two ports, such as 10000-10999')
    return { first, last }
  },
  show: ({ first, last }) => `${first}-${last}`,
}
export const networks: Kind<readonly string[]> = {
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
