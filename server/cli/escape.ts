/** Escapes typed at the start of a line, as in `ssh`: `~.` and its kin. Everything else passes as it is. */

export type EscapeAction = 'leave' | 'break' | 'help' | 'read' | 'take' | 'force'
export type Typed = { bytes: Buffer } | { action: EscapeAction }

const actions: Readonly<Record<string, EscapeAction>> = {
  '.': 'leave',
  B: 'break',
  '?': 'help',
  r: 'read',
  t: 'take',
  f: 'force',
}

export const escapeHelp = (letter: string): string =>
  [
    `${letter}.  leave`,
    `${letter}B  send a break`,
    `${letter}r  give the keyboard up`,
    `${letter}t  take the keyboard from who is idle`,
    `${letter}f  take the keyboard from anybody`,
    `${letter}${letter}  send ${letter}`,
    `${letter}?  this`,
  ].join('\n')

/**
 * Makes a reader of what is typed: bytes and actions in their order. An escape letter is kept back until the next
 * byte says what it was.
 * @param letter null for no escapes
 */
export function createEscapes(letter: string | null): (bytes: Buffer) => Typed[] {
  if (letter === null) return (bytes) => (bytes.length > 0 ? [{ bytes }] : [])
  const begins = letter.charCodeAt(0)
  let atStart = true
  let escaped = false
  return (input) => {
    const found: Typed[] = []
    const passed: number[] = []
    const flush = () => {
      if (passed.length > 0) found.push({ bytes: Buffer.from(passed.splice(0)) })
    }
    for (const byte of input) {
      if (escaped) {
        escaped = false
        const action = actions[String.fromCharCode(byte)]
        if (action) {
          flush()
          found.push({ action })
          // As in ssh, another escape may follow at once.
          continue
        }
        passed.push(begins)
        if (byte === begins) {
          atStart = false
          continue
        }
      } else if (atStart && byte === begins) {
        escaped = true
        continue
      }
      passed.push(byte)
      atStart = byte === 0x0d || byte === 0x0a
    }
    flush()
    return found
  }
}
