/**
 * A terminal's output as lines to be read: control sequences of ECMA-48 and xterm are taken out, and what moves within a
 * line (carriage return, backspace, erasing) is done, so that a progress bar is its last state. Where a program jumps
 * about the screen, each jump begins a line.
 */

/** Lines longer than this are broken. */
const longestLine = 4_096
/**
 * Cells that a program may fill or empty by moving about, for each character that it sends, and how many it may save up:
 * a screen needs a few, but a handful of bytes must not become a long line of spaces each time.
 */
const cellsPerCharacter = 8
const mostCells = longestLine
/** Sequences longer than this are none: noise on the line must not swallow what comes after. */
const longestSequence = 4_096

type State = 'text' | 'escape' | 'control' | 'string' | 'string-escape' | 'charset'

/** Text may be given in pieces of any size; what is returned is complete lines, `end` gives the last one. */
export function plainText(): { write(text: string): string; end(): string } {
  let line: string[] = []
  let column = 0
  let state: State = 'text'
  let sequence = ''
  let swallowed = 0
  /** Characters that have come, and cells that are left to be spent, as of `paidFor` characters. */
  let taken = 0
  let paidFor = 0
  let cells = mostCells
  let out = ''

  const finish = (): void => {
    out += `${line.join('').trimEnd()}\n`
    line = []
    column = 0
  }
  const jump = (): void => {
    if (line.some((character) => character !== ' ')) finish()
    line = []
    column = 0
  }
  /** As many of these cells as are left to be spent. */
  const spent = (wanted: number): number => {
    cells = Math.min(mostCells, cells + (taken - paidFor) * cellsPerCharacter)
    paidFor = taken
    const granted = Math.min(wanted, cells)
    cells -= granted
    return granted
  }
  const put = (character: string): void => {
    if (column >= longestLine) finish()
    if (column > line.length) {
      for (let left = spent(column - line.length); left > 0; left -= 1) line.push(' ')
      column = line.length
    }
    line[column] = character
    column += 1
  }
  const moveTo = (to: number): void => {
    column = Math.min(Math.max(0, to), longestLine)
  }

  const control = (final: string): void => {
    const number = Number.parseInt(sequence, 10)
    const count = Number.isNaN(number) ? 1 : Math.max(1, number)
    const erase = Number.isNaN(number) ? 0 : number
    if (final === 'C') moveTo(column + count)
    else if (final === 'D') moveTo(column - count)
    else if (final === 'G' || final === '`') moveTo(count - 1)
    else if ((final === 'K' || final === 'J') && erase === 0) line.length = Math.min(line.length, column)
    else if (final === 'K' && erase === 1) line.fill(' ', 0, spent(column))
    else if (final === 'K') line = []
    else if ('ABEFHJdf'.includes(final)) jump()
  }

  const plain = (character: string, code: number): void => {
    if (code >= 0x20 && code !== 0x7f && !(code >= 0x80 && code < 0xa0)) put(character)
    else if (character === '\n') finish()
    else if (character === '\r') column = 0
    else if (character === '\b') moveTo(column - 1)
    else if (character === '\t') put(character)
    else if (code === 0x9b) begin('control')
    else if (code === 0x90 || code === 0x98 || (code >= 0x9d && code <= 0x9f)) begin('string')
  }
  const begin = (next: State): void => {
    state = next
    sequence = ''
    swallowed = 0
  }
  const escaped = (character: string, code: number): void => {
    state = 'text'
    if (character === '[') begin('control')
    else if (']PX^_'.includes(character)) begin('string')
    else if (code >= 0x20 && code <= 0x2f) begin('charset')
    else if ('DEMc'.includes(character)) jump()
    else if (code < 0x20) plain(character, code)
  }

  const take = (character: string): void => {
    const code = character.codePointAt(0) as number
    taken += 1
    // Cancel and substitute end any sequence, escape begins another.
    if (code === 0x18 || code === 0x1a) state = 'text'
    else if (code === 0x1b) begin(state === 'string' ? 'string-escape' : 'escape')
    else if (state === 'text') plain(character, code)
    else if (state === 'escape') escaped(character, code)
    else if (state === 'charset') state = code >= 0x20 && code <= 0x2f ? 'charset' : 'text'
    else if (state === 'string-escape') {
      if (character === '\\') state = 'text'
      else escaped(character, code)
    } else if (state === 'control') {
      if (code >= 0x40 && code <= 0x7e) {
        state = 'text'
        control(character)
      } else if (code < 0x20) plain(character, code)
      else if (code > 0x7e || sequence.length > 64) state = 'text'
      else sequence += character
    } else {
      swallowed += 1
      if (code === 0x07 || code === 0x9c || swallowed > longestSequence) state = 'text'
      else if (character === '\n') {
        state = 'text'
        finish()
      }
    }
  }

  const emptied = (): string => {
    const result = out
    out = ''
    return result
  }
  return {
    write(text) {
      for (const character of text) take(character)
      return emptied()
    },
    end() {
      out += line.join('')
      line = []
      column = 0
      state = 'text'
      return emptied()
    },
  }
}
