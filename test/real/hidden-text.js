/**
 * Run in a page, answers its texts (not the terminal's) that stand outside of the window, are cut off, or too pale to
 * read: WCAG's contrast of 4.5 to 1.
 */
;(() => {
  /** @type {string[]} */
  const faults = []
  const channels = (/** @type {string} */ color) => (color.match(/[\d.]+/g) ?? []).map(Number)
  const luminance = (/** @type {string} */ color) => {
    const [red = 0, green = 0, blue = 0] = channels(color).map((value) =>
      value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  /** The colour behind an element. @param {Element} element */
  const groundOf = (element) => {
    for (let at = /** @type {Element | null} */ (element); at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor
      if ((channels(color)[3] ?? 1) > 0) return color
    }
    return 'rgb(255, 255, 255)'
  }

  if (document.documentElement.scrollWidth > innerWidth) faults.push('the page is wider than the window')
  for (const element of document.querySelectorAll(
    'h1, h2, p, label, button, summary, small, li, .fact span',
  )) {
    const text = element.textContent?.trim() ?? ''
    const box = element.getBoundingClientRect()
    if (text === '' || box.width === 0 || !element.checkVisibility() || element.matches(':disabled')) continue
    if (box.left < 0 || box.right > innerWidth + 1) faults.push(`beside the window: ${text}`)
    // Lists scroll.
    if (!element.closest('li') && (box.top < 0 || box.bottom > innerHeight + 1))
      faults.push(`below the window: ${text}`)
    if (
      element.clientWidth > 0 &&
      element.matches('button, .fact span') &&
      element.scrollWidth > element.clientWidth + 1
    )
      faults.push(`cut off: ${text}`)
    const [one = 0, other = 0] = [getComputedStyle(element).color, groundOf(element)].map(luminance)
    if ((Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) < 4.5) faults.push(`too pale: ${text}`)
  }
  return faults
})()
