/**
 * What stands around the terminal: how the console is, who watches, what happened.
 *
 * @import { Control, LineState, WatcherView } from '../types.ts'
 */
import { byId, clockTime, dateAndTime, element } from './dom.js'

/** @typedef {'good' | 'busy' | 'bad' | ''} Tone */

const eventsShown = 200
const noticeMs = 10_000

/** @type {Record<LineState, Tone>} */
const lineTones = { idle: '', opening: 'busy', activating: 'busy', up: 'good', 'backing off': 'bad' }
/** @type {Record<string, Tone>} */
const powerTones = { 'power on': 'good', 'power off': '', error: 'bad' }

/** Makes the frame of the console that the document has. */
export function createFrame() {
  const events = byId('events')
  const notice = byId('notice')
  /** @type {Map<string, WatcherView> | undefined} */
  let present
  let self = ''
  /** Ourselves, on each connection: that these come and go is no news. @type {Set<string>} */
  const selves = new Set()
  let mode = 'read'
  let connected = false

  /**
   * @param {string} text
   * @param {Tone} [tone]
   * @param {string} [at]
   */
  const event = (text, tone = '', at = new Date().toISOString()) => {
    const item = element(
      'li',
      {},
      element('time', { dateTime: at, title: dateAndTime(at) }, clockTime(at)),
      element('span', {}, text),
    )
    item.dataset.tone = tone
    events.prepend(item)
    while (events.childElementCount > eventsShown) events.lastElementChild?.remove()
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let fading
  /** Says something for some seconds; what is bad stays. @param {string} text @param {Tone} [tone] */
  const say = (text, tone = '') => {
    clearTimeout(fading)
    if (text !== '' && tone !== 'bad') fading = setTimeout(() => say(''), noticeMs)
    notice.textContent = text
    notice.title = text
    notice.dataset.tone = tone
  }

  /** @param {string} id @param {string} text @param {Tone} tone @param {string} [title] */
  const fact = (id, text, tone, title = '') => {
    const place = byId(id)
    place.dataset.tone = tone
    place.title = title
    const words = place.querySelector('span')
    if (words) words.textContent = text
  }

  /** @param {LineState} state @param {string | null} reason */
  const line = (state, reason) => {
    fact('line', `line ${state}`, lineTones[state] ?? '', reason ?? '')
    if (reason !== null && state !== 'up') say(`The line is ${state}: ${reason}`, 'bad')
    else if (notice.textContent?.startsWith('The line is ')) say('')
  }

  /** @param {string | null} state */
  const power = (state) => fact('power', state ?? 'power unknown', powerTones[state ?? ''] ?? '')

  /** @param {WatcherView[]} watchers */
  const watch = (watchers) => {
    const now = new Map(watchers.map((each) => [each.id, each]))
    for (const [id, each] of now)
      if (present && !present.has(id) && !selves.has(id))
        event(`${nameOf(each)} came, by ${doorNames[each.door]}`)
    for (const [id, each] of present ?? []) if (!now.has(id) && !selves.has(id)) event(`${nameOf(each)} left`)
    for (const [id, each] of now)
      if (id !== self && each.mode === 'write' && present?.get(id)?.mode === 'read')
        event(`${nameOf(each)} types now`)
    present = now
    const ordered = [...watchers].sort((one, other) => Number(other.id === self) - Number(one.id === self))
    const name = (/** @type {WatcherView} */ each) => (each.id === self ? 'you' : nameOf(each))
    byId('watchers-shown').textContent = `${watchers.length} watching: ${ordered
      .map((each) => name(each) + (each.mode === 'write' ? ' (typing)' : ''))
      .join(', ')}`
    byId('watchers').replaceChildren(
      ...ordered.map((each) =>
        element(
          'li',
          {},
          `${nameOf(each)}${each.id === self ? ' (you)' : ''}${each.mode === 'write' ? ', typing' : ', reading'}`,
          element(
            'small',
            {},
            `${each.project ? `project ${each.project}, ` : ''}by ${doorNames[each.door]}, since ${dateAndTime(each.since)}`,
          ),
        ),
      ),
    )
    buttons()
  }

  /** Who it is that the service names by an id. @param {string} id */
  const nameBy = (id) => {
    const watcher = present?.get(id)
    return watcher ? nameOf(watcher) : 'somebody'
  }

  const buttons = () => {
    const writes = mode === 'write'
    const other = [...(present ?? new Map()).values()].some(
      (each) => each.mode === 'write' && each.id !== self,
    )
    /** @type {[string, boolean][]} */
    const shown = [
      ['write', !writes && !other],
      ['take', !writes && other],
      ['force', !writes && other],
      ['release', writes],
    ]
    for (const [id, yes] of shown) {
      /** @type {HTMLButtonElement} */
      const button = byId(id)
      button.hidden = !yes
      button.disabled = !connected
    }
    /** @type {HTMLButtonElement} */
    const breaking = byId('break')
    breaking.disabled = !connected || !writes
  }

  /** @param {'read' | 'write'} given */
  const setMode = (given) => {
    mode = given
    fact('mode', given === 'write' ? 'you type' : 'read only', given === 'write' ? 'good' : '')
    buttons()
  }

  return {
    event,
    say,
    /** Before anything is known. */
    reset() {
      present = undefined
      events.replaceChildren()
      fact('line', 'connecting', 'busy')
      fact('power', 'power unknown', '')
      byId('watchers-shown').textContent = ''
      byId('watchers').replaceChildren()
      setMode('read')
    },
    /** There is no connection, so that nothing is known for certain. @param {string} text @param {Tone} tone */
    unconnected(text, tone) {
      connected = false
      fact('line', text, tone)
      fact('mode', 'not connected', tone)
      buttons()
    },
    /** @param {Control} message */
    control(message) {
      switch (message.type) {
        case 'hello':
          self = message.watcher
          selves.add(self)
          connected = true
          for (const place of document.querySelectorAll('.node-name'))
            place.textContent = message.node.name ?? message.node.uuid
          document.title = `${message.node.name ?? message.node.uuid} · console`
          line(message.state, message.reason)
          power(message.power_state)
          setMode(message.mode)
          watch(message.watchers)
          break
        case 'state':
          line(message.state, message.reason)
          event(
            `line ${message.state}${message.reason ? `: ${message.reason}` : ''}`,
            lineTones[message.state],
            message.at,
          )
          break
        case 'event':
          if (/^power (on|off)$/.test(message.event)) power(message.event)
          event(message.event, '', message.at)
          break
        case 'wall':
          event('the node was handed over', 'busy', message.at)
          break
        case 'watchers':
          watch(message.watchers)
          break
        case 'mode':
          setMode(message.mode)
          event(message.mode === 'write' ? 'you type now' : 'you read only now')
          say(`${message.mode === 'write' ? 'You type now' : 'You read only now'}: ${message.reason}.`)
          break
        case 'resize':
          if (!selves.has(message.by))
            event(`${nameBy(message.by)} has a window of ${message.columns} × ${message.rows}`)
          break
        case 'error':
          say(message.error, 'bad')
          break
        case 'reconnecting':
          say('The link to the conductor that keeps the console is being made anew.', 'busy')
          break
      }
    },
  }
}

const doorNames = { websocket: 'web', ssh: 'SSH', tcp: 'TCP' }

/** @param {WatcherView} watcher */
const nameOf = (watcher) => watcher.user ?? 'somebody'
