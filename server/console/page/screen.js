/**
 * The terminal: shows the machine's bytes and takes the keys. What it knows of the journal is at which offset the
 * bytes stand that it is reading just now.
 */
import { FitAddon } from '@xterm/addon-fit'
import { Terminal } from '@xterm/xterm'

/** Lines that can be scrolled back to. */
const scrollbackLines = 20_000
const settleMs = 200

/** Colours that stay readable on the background, whatever the reader's own theme is. */
const theme = {
  background: '#10141a',
  foreground: '#d8dee6',
  cursor: '#8ab4f8',
  cursorAccent: '#10141a',
  selectionBackground: '#35527a',
  black: '#3a424d',
  red: '#f2777a',
  green: '#8fd19e',
  yellow: '#ecc26b',
  blue: '#7fb0f5',
  magenta: '#d39af0',
  cyan: '#6ccbd6',
  white: '#d8dee6',
  brightBlack: '#7d8896',
  brightRed: '#ff9a9c',
  brightGreen: '#b2e8bd',
  brightYellow: '#ffdd95',
  brightBlue: '#a9ccff',
  brightMagenta: '#e8bdff',
  brightCyan: '#98e6ee',
  brightWhite: '#ffffff',
}

/**
 * Opens a terminal that fills its parent.
 * @param {HTMLElement} parent
 * @param {object} told
 * @param {(bytes: Uint8Array<ArrayBuffer>) => void} told.keys For the machine: keys, pastes, answers, the mouse.
 * @param {() => void} told.pressed Somebody pressed a key.
 * @param {() => void} told.leave Somebody wants to get out of the terminal by keyboard.
 * @param {(columns: number, rows: number) => void} told.size
 */
export function openScreen(parent, told) {
  const terminal = new Terminal({
    scrollback: scrollbackLines,
    theme,
    fontFamily: 'ui-monospace, "Cascadia Mono", "SF Mono", Menlo, "DejaVu Sans Mono", Consolas, monospace',
    fontSize: 14,
    // Some fonts' underscores stand lower than their own line is high.
    lineHeight: 1.15,
    minimumContrastRatio: 4.5,
    cursorBlink: false,
    // Reading all of it aloud costs much where nobody listens; `?reader` in the address turns it on.
    screenReaderMode: new URLSearchParams(location.search).has('reader'),
  })
  const fit = new FitAddon()
  terminal.loadAddon(fit)
  terminal.open(parent)

  /** Offset of the piece that is being parsed. */
  let reading = 0
  /** Up to here it is the past, and nobody is waiting for answers. */
  let pastEnd = 0
  let answers = false
  /** @type {{ offset: number, marker?: import('@xterm/xterm').IMarker | undefined } | undefined} */
  let aim

  quieten(terminal, () => !answers || reading < pastEnd)
  const encoder = new TextEncoder()
  terminal.onData((text) => told.keys(encoder.encode(text)))
  terminal.onBinary((text) => told.keys(Uint8Array.from(text, (letter) => letter.charCodeAt(0))))
  terminal.onKey(() => told.pressed())
  terminal.attachCustomKeyEventHandler((event) => {
    // Who only reads goes on with Tab as on any page; who types sends it, and gets out by another key.
    if (event.key === 'Tab') return answers
    if (event.key !== 'F6' || !event.ctrlKey || !event.shiftKey) return true
    if (event.type === 'keydown') told.leave()
    event.preventDefault()
    return false
  })
  // The bell is quiet: xterm.js makes no sound of its own, and nobody listens to its event.

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let settling
  const fitNow = () => {
    fit.fit()
    clearTimeout(settling)
    settling = setTimeout(() => told.size(terminal.cols, terminal.rows), settleMs)
  }
  const observer = new ResizeObserver(fitNow)
  observer.observe(parent)
  fit.fit()

  /**
   * @param {number} offset
   * @param {Uint8Array} bytes
   * @param {() => void} done
   */
  const write = (offset, bytes, done) =>
    terminal.write(bytes, () => {
      reading = offset + bytes.length
      done()
    })

  /** Brings what was looked for into view. */
  const show = () => {
    const line = aim?.marker?.line ?? -1
    aim = undefined
    if (line < 0) return
    terminal.scrollToLine(Math.max(0, line - 3))
    terminal.selectLines(line, line)
  }

  return {
    get columns() {
      return terminal.cols
    },
    get rows() {
      return terminal.rows
    },
    focus: () => terminal.focus(),
    /** Text that is selected, for the search box. */
    selected: () => terminal.getSelection(),
    /**
     * Shows bytes of the journal; `done` when it has.
     * @param {number} offset
     * @param {Uint8Array} bytes
     * @param {() => void} done
     */
    bytes(offset, bytes, done) {
      const cut = aim && !aim.marker ? aim.offset - offset : -1
      if (!aim || cut < 0 || cut >= bytes.length) return write(offset, bytes, done)
      const aimed = aim
      write(offset, bytes.subarray(0, cut), () => {
        aimed.marker = terminal.registerMarker(0)
      })
      write(aimed.offset, bytes.subarray(cut), () => {
        done()
        if (aim === aimed) show()
      })
    },
    /**
     * A line of our own among the machine's; what it was in the middle of is ended first.
     * @param {string} text
     */
    mark(text) {
      terminal.write(`\x18\x1b[0m\r\n\x1b[2m··· ${printable(text)} ···\x1b[0m\r\n`)
    },
    /**
     * Bytes below this offset are the past: questions in them (who are you, where is the cursor) were answered or
     * not long ago, and an answer now would be typed at the machine.
     * @param {number} end
     */
    past(end) {
      pastEnd = end
    },
    /** Whether the terminal may answer questions of the machine. @param {boolean} writing */
    writing(writing) {
      answers = writing
      terminal.options.cursorStyle = writing ? 'block' : 'underline'
      terminal.options.cursorInactiveStyle = writing ? 'outline' : 'underline'
    },
    /** Empties itself, to show the journal from another place and this offset in view. @param {number} offset */
    restart(offset) {
      // Behind what is still to be shown.
      terminal.write('', () => {
        terminal.reset()
        terminal.clearSelection()
      })
      aim = { offset }
    },
    close() {
      observer.disconnect()
      clearTimeout(settling)
      terminal.dispose()
    },
  }
}

/**
 * Leaves questions of the machine unanswered while `quiet`: xterm.js answers through the same event as keys.
 * @param {Terminal} terminal
 * @param {() => boolean} quiet
 */
function quieten(terminal, quiet) {
  const { parser } = terminal
  // Device attributes, status and cursor position, modes, window reports.
  for (const id of [
    { final: 'c' },
    { prefix: '>', final: 'c' },
    { prefix: '=', final: 'c' },
    { final: 'n' },
    { prefix: '?', final: 'n' },
    { intermediates: '$', final: 'p' },
    { prefix: '?', intermediates: '$', final: 'p' },
    { prefix: '>', final: 'q' },
    { final: 't' },
  ])
    parser.registerCsiHandler(id, quiet)
  parser.registerDcsHandler({ intermediates: '$', final: 'q' }, quiet)
  // Colours, which are asked for with `?`; setting them stays.
  for (const code of [4, 10, 11, 12]) parser.registerOscHandler(code, (data) => quiet() && data.includes('?'))
}

/** Control characters in a reason are not for the terminal. @param {string} text */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const printable = (text) => text.replace(/[\x00-\x1f\x7f-\x9f]/g, ' ')
