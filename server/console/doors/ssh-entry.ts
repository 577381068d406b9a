/** How one SSH connection proves who it is (RFC 4252): by what is shown alone, never by the node that is wanted. */
import ssh2, {
  type AuthContext,
  type Connection,
  type KeyboardAuthContext,
  type PasswordAuthContext,
  type PublicKeyAuthContext,
} from 'ssh2'
import type { Throttle } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { fingerprintOf } from '../public-key.ts'
import { isWrong, type Known, type SshCallers } from './ssh-callers.ts'

export interface Entrant {
  /** The user name that was given. */
  ident: string
  known: Known[]
}

export interface EntryDeps {
  callers: SshCallers
  throttle: Throttle
  address: string
  onEntered(entrant: Entrant): void
  onError(error: unknown): void
  /** Has failed too often. */
  onTooMany(): void
}

/** An agent offers all the keys it has, which costs us little; secrets are guessed at. */
const mostKeys = 20
const mostSecrets = 6
/** Names and UUIDs of nodes are no longer. */
const mostIdentLetters = 255
/** A Keystone's tokens may be long; an application credential's secret is the user's choice. */
const mostSecretLetters = 16_384
/** Failures of one address are counted under one name: there is no account to count by. */
const account = 'ssh'

export function authenticate(connection: Connection, deps: EntryDeps): void {
  const { callers, throttle, address } = deps
  const methods: ('publickey' | 'password' | 'keyboard-interactive')[] = [
    ...(callers.takesKeys ? (['publickey'] as const) : []),
    'password',
    'keyboard-interactive',
  ]
  let keys = 0
  let secrets = 0
  let entered = false
  let closed = false
  connection.on('close', () => {
    closed = true
  })

  const admit = (context: AuthContext, known: Known[]) => {
    entered = true
    // What is heard next comes after who it is known to come from.
    deps.onEntered({ ident: context.username, known })
    context.accept()
  }
  const refuse = (context: AuthContext) => {
    if (closed) return
    if (keys > mostKeys || secrets >= mostSecrets) deps.onTooMany()
    else context.reject(methods)
  }

  const bySecret = async (context: AuthContext, secret: unknown) => {
    secrets++
    if (typeof secret !== 'string' || secret === '' || secret.length > mostSecretLetters)
      return refuse(context)
    const path = `/v1/nodes/${encodeURIComponent(context.username)}/console`
    try {
      throttle.check(account, address)
      const known = await callers.bySecret(secret, { address, path })
      throttle.succeeded(account, address)
      if (closed || entered) await known.forget?.()
      else admit(context, [known])
    } catch (error) {
      if (isWrong(error)) throttle.failed(account, address)
      else if (!(error instanceof LeaseholdError)) deps.onError(error)
      refuse(context)
    }
  }

  const byKey = async (context: PublicKeyAuthContext) => {
    keys++
    try {
      const { key, signature, blob, hashAlgo } = context
      // RSA with SHA-1, which is what no name of a hash means here, can be forged.
      if (keys > mostKeys || (key.algo === 'ssh-rsa' && hashAlgo === undefined)) return refuse(context)
      const known = await callers.byKey(fingerprintOf(key.data))
      if (closed || entered) return
      if (known.length === 0) return refuse(context)
      // Whether the key would do; the client signs after that.
      if (signature === undefined || blob === undefined) return context.accept()
      if (isSignedBy(key, { blob, signature, hashAlgo })) admit(context, known)
      else {
        throttle.failed(account, address)
        refuse(context)
      }
    } catch (error) {
      deps.onError(error)
      refuse(context)
    }
  }

  connection.on('authentication', (context) => {
    // The library asks about one at a time; what comes after success is the client's mistake.
    if (entered || context.username.length > mostIdentLetters) return refuse(context)
    if (callers.open) return void bySecret(context, 'anything')
    switch (context.method) {
      case 'password':
        return void bySecret(context, (context as PasswordAuthContext).password)
      case 'keyboard-interactive':
        return void (context as KeyboardAuthContext).prompt(
          [{ prompt: 'Token: ', echo: false }],
          (answers: unknown) => void bySecret(context, Array.isArray(answers) ? answers[0] : undefined),
        )
      case 'publickey':
        return void byKey(context as PublicKeyAuthContext)
      default:
        return refuse(context)
    }
  })
}

/** A key's own bytes say of which type it is; what the client says besides must be the same. */
function isSignedBy(
  key: PublicKeyAuthContext['key'],
  signed: { blob: Buffer; signature: Buffer; hashAlgo: string | undefined },
): boolean {
  const type = key.data.subarray(4, 4 + key.data.readUInt32BE(0)).toString('latin1')
  if (type !== key.algo) return false
  const parsed = ssh2.utils.parseKey(`${type} ${key.data.toString('base64')}`)
  return !(parsed instanceof Error) && parsed.verify(signed.blob, signed.signature, signed.hashAlgo) === true
}
