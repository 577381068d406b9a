/**
 * The search box: what was printed and where; a hit is read on from in the terminal.
 *
 * @import { Api, Hit } from './api.js'
 */
import { byId, dateAndTime, element } from './dom.js'

/** As many as the service gives unless it is asked for more. */
const hitsAtMost = 100

/**
 * Makes the box work.
 * @param {() => Api} api
 * @param {(offset: number) => void} readFrom
 */
export function createSearch(api, readFrom) {
  /** @type {HTMLDialogElement} */
  const dialog = byId('search-dialog')
  /** @type {HTMLInputElement} */
  const input = byId('search-text')
  const state = byId('search-state')
  const hits = byId('hits')
  let asking = new AbortController()

  byId('search-close').onclick = () => dialog.close()
  dialog.onclose = () => asking.abort()
  byId('search-form').onsubmit = async (event) => {
    event.preventDefault()
    asking.abort()
    asking = new AbortController()
    const { signal } = asking
    hits.replaceChildren()
    state.textContent = 'Searching …'
    try {
      const sought = input.value
      const found = await api().search(sought, signal)
      if (signal.aborted) return
      const many = found.length === hitsAtMost ? `The first ${hitsAtMost}` : `${found.length} found`
      state.textContent = found.length === 0 ? 'Not found.' : `${many}; choose one to read on from there.`
      hits.replaceChildren(...found.map((hit) => hitItem(hit, sought)))
    } catch (error) {
      if (!signal.aborted) state.textContent = /** @type {Error} */ (error).message
    }
  }

  /** @param {Hit} hit @param {string} sought */
  function hitItem(hit, sought) {
    const button = element(
      'button',
      { type: 'button' },
      element('small', {}, dateAndTime(hit.at)),
      element('code', {}, ...marked(hit.line, sought)),
    )
    button.onclick = () => {
      dialog.close()
      readFrom(hit.offset)
    }
    return element('li', {}, button)
  }

  return {
    /** @param {string} text What is selected, to begin with */
    open(text) {
      if (text !== '' && !text.includes('\n')) input.value = text
      dialog.showModal()
      input.select()
    },
    close: () => dialog.close(),
  }
}

/**
 * A line with what was sought in it marked; without control sequences it may not be there any more.
 * @param {string} line
 * @param {string} sought
 */
function marked(line, sought) {
  const start = line.toLowerCase().indexOf(sought.toLowerCase())
  if (start < 0) return [line]
  const end = start + sought.length
  return [line.slice(0, start), element('mark', {}, line.slice(start, end)), line.slice(end)]
}
