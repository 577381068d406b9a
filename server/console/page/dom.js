/** Elements of the page, found and made. Text goes in as text, never as markup. */

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const found = document.getElementById(id)
  if (!found) throw new Error(`the page has no #${id}`)
  return /** @type {T} */ (found)
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Partial<HTMLElementTagNameMap[K]>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

/**
 * The time of day of an ISO 8601 time, as the reader's clock has it.
 * @param {string} iso
 */
export function clockTime(iso) {
  const date = new Date(iso)
  return Number.isNaN(date.getTime()) ? '' : date.toLocaleTimeString([], { hour12: false })
}

/** @param {string} iso */
export function dateAndTime(iso) {
  const date = new Date(iso)
  return Number.isNaN(date.getTime()) ? iso : `${date.toLocaleDateString()} ${clockTime(iso)}`
}
