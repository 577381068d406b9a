/**
 * The page of one node's console: signs in, then joins the link, the terminal and what stands around them.
 *
 * @import { Control } from '../types.ts'
 * @import { Api } from './api.js'
 * @import { Ending, LinkState } from './link.js'
 * @import { Session } from './sign-in.js'
 */
import { createApi, nodeIdent } from './api.js'
import { byId, element } from './dom.js'
import { createFrame } from './frame.js'
import { createLink } from './link.js'
import { openScreen } from './screen.js'
import { createSearch } from './search.js'
import { askToSignIn, endSession, forgetSession, keptSession } from './sign-in.js'

/** What is shown of the journal before a hit. */
const contextBytes = 4096

/** @type {Session | undefined} */
let session
/** @type {Api} */
let api
/** The terminal and the link belong together: where the link is in the journal is what the terminal has shown. */
/** @type {ReturnType<typeof openScreen> | undefined} */
let screen
/** @type {ReturnType<typeof createLink> | undefined} */
let link
let writes = false
let oldest = 0
/** What this connection was last told of our window. */
let sizeSaid = ''
/** Since when the link has been away, to say that it is back. */
let lost = false

const frame = createFrame()
const search = createSearch(() => api, readFrom)

for (const place of document.querySelectorAll('.node-name')) place.textContent = nodeIdent
wireButtons()
void begin('')

/** @param {string} reason Why somebody is asked to sign in */
async function begin(reason) {
  session = keptSession() ?? (await askToSignIn(reason))
  api = createApi(session.token)
  byId('signed-in-as').textContent = session.as
  byId('message').hidden = true
  watch()
}

/** Opens the console. */
function watch() {
  byId('message').hidden = true
  byId('console').hidden = false
  document.title = `${nodeIdent} · console`
  frame.reset()
  frame.say('')
  screen ??= openScreen(byId('terminal'), { keys, pressed, size, leave: () => byId('search').focus() })
  link ??= newLink(api, screen)
  setWrites(false)
  link.start({ mode: 'read' })
  screen.focus()
}

/**
 * @param {Api} calls
 * @param {ReturnType<typeof openScreen>} shown
 */
function newLink(calls, shown) {
  return createLink({
    ticket: calls.ticket,
    open: calls.socket,
    bytes: shown.bytes,
    control,
    gap({ from, to, reason }) {
      const missing = to > from ? `${(to - from).toLocaleString()} bytes are missing` : 'bytes may be missing'
      shown.mark(`${missing}: ${reason}`)
      frame.event(`${missing}: ${reason}`, 'bad')
    },
    state: linkState,
    ended,
    note: (text) => frame.say(text, 'busy'),
  })
}

/** @param {Control} message */
function control(message) {
  if (message.type === 'hello') {
    oldest = message.start
    screen?.past(message.end)
    setWrites(message.mode === 'write')
    sizeSaid = ''
    if (screen) size(screen.columns, screen.rows)
  }
  if (message.type === 'mode') {
    setWrites(message.mode === 'write')
    if (writes) screen?.focus()
  }
  if (message.type === 'wall') screen?.mark('the node was handed over')
  frame.control(message)
}

/** @param {boolean} now */
function setWrites(now) {
  writes = now
  screen?.writing(now)
}

/** @param {LinkState} state */
function linkState(state) {
  byId('now').hidden = state.at !== 'waiting'
  if (state.at === 'open') {
    if (lost) {
      frame.event('connection is back', 'good')
      frame.say('Connected again; nothing that the journal has was lost.')
    }
    lost = false
    return
  }
  setWrites(false)
  if (state.at === 'waiting') {
    if (!lost) frame.event('connection lost', 'bad')
    lost = true
    frame.unconnected('connection lost', 'bad')
    frame.say(`${state.message} Trying again in ${(state.delayMs / 1000).toFixed(1)} s.`, 'bad')
  } else if (state.at === 'connecting') frame.unconnected('connecting', 'busy')
  else frame.unconnected('catching up', 'busy')
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
function keys(bytes) {
  if (writes) link?.send(bytes)
}

function pressed() {
  if (!writes)
    frame.say(
      lost
        ? 'Not connected: no key was sent.'
        : 'Read only: take the keyboard first, with the buttons above.',
      'busy',
    )
}

/** @param {number} columns @param {number} rows */
function size(columns, rows) {
  const text = `${columns} ${rows}`
  if (text !== sizeSaid && link?.request({ type: 'resize', columns, rows })) sizeSaid = text
}

/** @param {Ending} ending */
async function ended({ kind, message }) {
  setWrites(false)
  lost = false
  search.close()
  if (kind === 'sign-in') {
    forgetSession()
    leave()
    return begin(message)
  }
  if (kind === 'not-found')
    return tell('Not found', `There is no node ${nodeIdent}, or ${session?.as ?? 'you'} may not see it.`)
  if (kind === 'denied') return tell('Not allowed', sentence(message))
  if (kind === 'over') return tell('This is over', sentence(message))
  const off = await api.status().then(
    ({ enabled }) => !enabled,
    () => false,
  )
  if (off)
    tell('The console is off', 'Nothing is recorded and nobody can watch until it is switched on.', true)
  else tell('Not now', sentence(message))
}

/**
 * Says something in place of the console.
 * @param {string} title
 * @param {string} text
 * @param {boolean} [off] Whether it can be switched on
 */
function tell(title, text, off = false) {
  byId('console').hidden = true
  byId('message').hidden = false
  byId('message-title').textContent = title
  byId('message-text').textContent = text
  byId('switch-on').hidden = !off
  byId('message-title').focus()
}

/** Takes everything of the reader's off the page. */
function leave() {
  byId('console').hidden = true
  byId('message').hidden = true
  link?.stop()
  screen?.close()
  link = undefined
  screen = undefined
}

async function signOut() {
  const ending = session
  leave()
  forgetSession()
  if (ending) await endSession(ending)
  void begin('')
}

/** Shows the journal from a little before an offset on, up to now. @param {number} offset */
function readFrom(offset) {
  screen?.restart(offset)
  link?.start({ offset: Math.max(oldest, offset - contextBytes) })
}

function wireButtons() {
  for (const type of /** @type {const} */ (['write', 'take', 'force', 'release', 'break']))
    byId(type).onclick = () => {
      if (!link?.request({ type })) frame.say('Not connected.', 'bad')
      if (type === 'break') frame.say('A break was sent.')
      screen?.focus()
    }
  byId('text-log').onclick = () => download('text', 'log')
  byId('asciicast').onclick = () => download('asciicast', 'cast')
  byId('search').onclick = () => search.open(screen?.selected() ?? '')
  byId('sign-out').onclick = signOut
  byId('message-sign-out').onclick = signOut
  byId('try-again').onclick = watch
  byId('now').onclick = () => link?.hurry()
  byId('switch-on').onclick = async () => {
    try {
      await api.switchOn()
      watch()
    } catch (error) {
      byId('message-text').textContent = /** @type {Error} */ (error).message
    }
  }
  /** @type {HTMLDetailsElement} */
  const menu = byId('menu')
  addEventListener('pointerdown', ({ target }) => {
    if (!menu.contains(/** @type {Node} */ (target))) menu.open = false
  })
  menu.onkeydown = ({ key }) => {
    if (key === 'Escape') menu.open = false
  }
  addEventListener('online', () => link?.hurry())
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) link?.hurry()
  })
  // A reader who goes away lets the keyboard go at once.
  addEventListener('pagehide', () => link?.stop())
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted && !byId('console').hidden) link?.start()
  })
}

/** @param {'text' | 'asciicast'} format @param {string} ending */
async function download(format, ending) {
  try {
    frame.say('Fetching …')
    const address = URL.createObjectURL(await api.journal(format))
    element('a', { href: address, download: `${nodeIdent}.${ending}` }).click()
    setTimeout(() => URL.revokeObjectURL(address), 60_000)
    frame.say('')
  } catch (error) {
    frame.say(/** @type {Error} */ (error).message, 'bad')
  }
}

/** @param {string} text */
function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.')
}
