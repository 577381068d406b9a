/**
 * What the page asks of the service over HTTP, with the reader's token, and what refusals mean.
 *
 * @import { Mode } from '../types.ts'
 * @import { Refusal, SocketLike } from './link.js'
 */

/** The service's address: whatever stands before `/consoles/` in ours, so that a proxy may put a prefix there. */
export const serviceBase = location.href.replace(/\/consoles\/[^/]*\/?([?#].*)?$/, '/')

/** The node of this page, by name or UUID. */
export const nodeIdent = decodeURIComponent(location.pathname.replace(/\/$/, '').split('/').pop() ?? '')

const consolePath = `v1/nodes/${encodeURIComponent(nodeIdent)}/console`

/**
 * Makes the calls of one who signed in.
 * @param {string} token
 */
export function createApi(token) {
  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @param {AbortSignal} [signal]
   */
  const call = (method, path, body, signal) =>
    fetch(serviceBase + path, {
      method,
      ...(signal ? { signal } : {}),
      headers: {
        'x-auth-token': token,
        'x-openstack-ironic-api-version': 'latest',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  return {
    /**
     * @param {Mode} mode
     * @returns {Promise<{ ticket: string } | { refusal: Refusal }>}
     */
    async ticket(mode) {
      try {
        const answer = await call('POST', `${consolePath}/tickets`, { mode })
        const body = await bodyOf(answer)
        if (answer.ok && typeof body.ticket === 'string') return { ticket: body.ticket }
        return { refusal: { kind: refusalKind(answer.status), message: messageIn(body, answer) } }
      } catch {
        return { refusal: { kind: 'again', message: 'The service does not answer.' } }
      }
    },

    /** A socket of this node's console. @param {string} parameters */
    socket(parameters) {
      const url = new URL(`${serviceBase}${consolePath}?${parameters}`)
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
      return /** @type {SocketLike} */ (/** @type {unknown} */ (new WebSocket(url, 'leasehold.console')))
    },

    /** How the console is. */
    async status() {
      const answer = await call('GET', consolePath)
      const body = await bodyOf(answer)
      if (!answer.ok) throw new Error(messageIn(body, answer))
      return /** @type {{ enabled: boolean, state: string, reason: string | null }} */ (body)
    },

    async switchOn() {
      const answer = await call('PUT', consolePath, { enabled: true })
      if (!answer.ok) throw new Error(messageIn(await bodyOf(answer), answer))
    },

    /** What the machine printed. @param {'text' | 'asciicast'} format */
    async journal(format) {
      const answer = await call('GET', `${consolePath}/journal?format=${format}`)
      if (!answer.ok) throw new Error(messageIn(await bodyOf(answer), answer))
      return answer.blob()
    },

    /**
     * @param {string} text
     * @param {AbortSignal} signal
     */
    async search(text, signal) {
      const path = `${consolePath}/search?${new URLSearchParams({ text })}`
      const answer = await call('GET', path, undefined, signal)
      const body = await bodyOf(answer)
      if (!answer.ok) throw new Error(messageIn(body, answer))
      return /** @type {Hit[]} */ (body.hits)
    },

    /** Makes the token worthless. */
    async revoke() {
      await fetch(`${serviceBase}identity/v3/auth/tokens`, {
        method: 'DELETE',
        headers: { 'x-auth-token': token, 'x-subject-token': token },
      })
    },
  }
}

/**
 * A place where a text was found, and the line that it stands in.
 * @typedef {{ offset: number, at: string, line: string }} Hit
 */

/** @typedef {ReturnType<typeof createApi>} Api */

/** Whether people sign in here, or at a Keystone elsewhere, whose tokens can be pasted. */
export async function hasIdentity() {
  const answer = await fetch(`${serviceBase}identity/v3`).catch(() => undefined)
  // What can not be found out now will be said on signing in.
  return answer === undefined || answer.ok
}

/**
 * Gets a token.
 * @param {{ user: string, password: string, domain: string, project: string, system: boolean }} who
 * @throws Error that says why not
 */
export async function signIn({ user, password, domain, project, system }) {
  const scope = system
    ? { system: { all: true } }
    : project === ''
      ? undefined
      : { project: { name: project, domain: { name: domain } } }
  const answer = await fetch(`${serviceBase}identity/v3/auth/tokens?nocatalog=1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: user, domain: { name: domain }, password } },
        },
        ...(scope ? { scope } : {}),
      },
    }),
  }).catch(() => {
    throw new Error('The service does not answer.')
  })
  const token = answer.headers.get('x-subject-token')
  const body = await bodyOf(answer)
  if (answer.status === 401) throw new Error('User, password and project do not fit together.')
  if (!answer.ok || !token) throw new Error(messageIn(body, answer))
  const { project: granted, system: all } = /** @type {any} */ (body).token
  // Without a scope nobody may anything; better said here than by a refusal that nobody understands.
  if (!granted && !all) throw new Error('This user has no project of its own; name one.')
  return { token, as: `${user} in ${granted ? granted.name : 'the whole system'}` }
}

/** @param {number} status @returns {Refusal['kind']} */
function refusalKind(status) {
  if (status === 401) return 'sign-in'
  if (status === 403) return 'mode'
  if (status === 404) return 'not-found'
  if (status === 409) return 'conflict'
  return status === 429 || status >= 500 ? 'again' : 'over'
}

/** @param {Response} answer @returns {Promise<Record<string, unknown>>} */
async function bodyOf(answer) {
  try {
    return (await answer.json()) ?? {}
  } catch {
    return {}
  }
}

/**
 * What an error of either API says.
 * @param {Record<string, any>} body
 * @param {Response} answer
 */
function messageIn(body, answer) {
  const wrapped = body.error_message
  const inner = typeof wrapped === 'string' ? tryParse(wrapped) : wrapped
  return String(
    inner?.faultstring ??
      inner?.description ??
      body.error?.message ??
      `The service answers with ${answer.status}.`,
  )
}

/** @param {string} text */
function tryParse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return { faultstring: text }
  }
}
