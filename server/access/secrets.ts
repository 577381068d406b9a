/** Finds secrets in free-form objects by the names of their keys and puts six asterisks in their place. */

/** What stands in place of a secret. */
export const masked = '******'

/** A key that contains one of these, in any case, holds a secret: the list of oslo.utils, without what it implies. */
const secretWords = [
  'password',
  'passphrase',
  'adminpass',
  'admin_pass',
  'new_pass',
  'sys_pswd',
  'secret',
  'token',
  'configdrive',
  'private_key',
  'encrypted_key',
  'sslkey',
  'fernetkey',
  'rabbitcookie',
  'swifthashsuffix',
  'keystonecredential',
  'barbicansimplecryptokek',
  'octaviaheartbeatkey',
  'pacemakerremoteauthkey',
  'designaterndckey',
  'heatauthencryptionkey',
  'migrationsshkey',
  'cephadminkey',
  'cephclientkey',
  'cephclusterfsid',
  'cephmanilaclientkey',
  'cephmdskey',
  'cephmonkey',
  'cephrgwkey',
  // Ironic's own additions, of the snmp driver.
  'snmp_auth_key',
  'snmp_priv_key',
]

/** Deeper than this nothing is shown: a bound for the recursion. */
const maxDepth = 32

/**
 * Copies a JSON value with the value of every key that names a secret replaced, at any depth and in lists, and with
 * `password=...` and its like replaced inside texts. Unlike oslo.utils an object below such a key is replaced whole.
 */
export function maskSecrets<T>(value: T): T
export function maskSecrets(value: unknown): unknown {
  return mask(value, 0)
}

function mask(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return maskText(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= maxDepth) return masked
  if (Array.isArray(value)) return value.map((item) => mask(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, isSecret(key) ? masked : mask(inner, depth + 1)]),
  )
}

/** Whether the value of a key of this name is a secret. */
const isSecret = (key: string): boolean => secretKey.test(key)

/** A request's URL with the secrets of its query replaced: for logs. A ticket opens a console, whoever has it. */
export function maskUrl(url: string): string {
  const at = url.indexOf('?')
  if (at < 0) return url
  const shown = url
    .slice(at + 1)
    .split('&')
    .map((part) => {
      const [name = ''] = new URLSearchParams(part).keys()
      return isSecret(name) || /ticket/i.test(name) ? `${part.split('=', 1)[0]}=${masked}` : part
    })
  return `${url.slice(0, at)}?${shown.join('&')}`
}

const anyWord = secretWords.join('|')
const secretKey = new RegExp(anyWord, 'i')

/** A name that begins with a secret word. Bounded, so that a long text costs no more than its length. */
const name = `(?:${anyWord})[\\w-]{0,32}`
const quoted = `"[^"]*"|'[^']*'`
const secretsInText = [
  new RegExp(`(${name}["']?\\s{0,8}[=:]\\s{0,8}u?)(${quoted}|[^\\s"']+)`, 'gi'),
  new RegExp(`(${name}\\s{1,8})(${quoted})`, 'gi'),
  new RegExp(`(--${name}\\s{1,8})([^\\s"'=]+)`, 'gi'),
  new RegExp(`(<${name}>)([^<]+)`, 'gi'),
]

/** Masks `password=x`, `"token": "x"`, `--secret x` and `<password>x</password>` within a text. */
function maskText(text: string): string {
  if (!secretKey.test(text)) return text
  return secretsInText.reduce(
    (shown, pattern) =>
      shown.replace(pattern, (_, before: string, secret: string) => {
        const quote = /^["']/.exec(secret)?.[0] ?? ''
        return `${before}${quote}${masked}${quote}`
      }),
    text,
  )
}
