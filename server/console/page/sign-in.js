/** Who reads: a token, got by name and password or pasted, and kept for this tab only. */
import { createApi, hasIdentity, nodeIdent, signIn } from './api.js'
import { byId } from './dom.js'

/**
 * `as` is who, for the reader; `own` that we got the token ourselves, and may end it.
 * @typedef {{ token: string, as: string, own: boolean }} Session
 */

const storageKey = 'leasehold.session'

/** @returns {Session | undefined} */
export function keptSession() {
  try {
    return JSON.parse(sessionStorage.getItem(storageKey) ?? 'null') ?? undefined
  } catch {
    return undefined
  }
}

export const forgetSession = () => sessionStorage.removeItem(storageKey)

/**
 * Ends a session; a token that was pasted may be somebody else's tool's and is only forgotten.
 * @param {Session} session
 */
export async function endSession({ token, own }) {
  forgetSession()
  // If it can not be said now, the token ends by itself.
  if (own)
    await createApi(token)
      .revoke()
      .catch(() => {})
}

/**
 * Asks until somebody signs in.
 * @param {string} reason Why it asks, if it should say so
 * @returns {Promise<Session>}
 */
export async function askToSignIn(reason) {
  const main = byId('sign-in')
  /** @type {HTMLFormElement} */
  const passwordForm = byId('password-form')
  /** @type {HTMLFormElement} */
  const tokenForm = byId('token-form')
  /** @type {HTMLDetailsElement} */
  const tokenPart = byId('token-part')
  const error = byId('sign-in-error')
  document.title = `Sign in · ${nodeIdent}`
  error.textContent = reason
  main.hidden = false
  fieldsOf(passwordForm).user?.focus()
  void hasIdentity().then((here) => {
    passwordForm.hidden = !here
    if (!here) tokenPart.open = true
  })
  const session = await new Promise((done) => {
    passwordForm.onsubmit = async (event) => {
      event.preventDefault()
      const button = /** @type {HTMLButtonElement} */ (passwordForm.querySelector('button'))
      const { user, password, domain, project, system } = fieldsOf(passwordForm)
      button.disabled = true
      error.textContent = ''
      try {
        const got = await signIn({
          user: user?.value ?? '',
          password: password?.value ?? '',
          domain: domain?.value ?? '',
          project: project?.value.trim() ?? '',
          system: system?.checked ?? false,
        })
        done({ ...got, own: true })
      } catch (failure) {
        error.textContent = /** @type {Error} */ (failure).message
      }
      button.disabled = false
    }
    tokenForm.onsubmit = (event) => {
      event.preventDefault()
      const token = fieldsOf(tokenForm).token?.value.trim() ?? ''
      // A header must be able to hold it.
      if (/^[\x21-\x7e]+$/.test(token)) done({ token, as: 'with a pasted token', own: false })
      else error.textContent = 'This is not a token.'
    }
  })
  sessionStorage.setItem(storageKey, JSON.stringify(session))
  passwordForm.reset()
  tokenForm.reset()
  main.hidden = true
  return session
}

/** @param {HTMLFormElement} form @returns {Record<string, HTMLInputElement | undefined>} */
function fieldsOf(form) {
  return Object.fromEntries([...form.querySelectorAll('input')].map((input) => [input.name, input]))
}
