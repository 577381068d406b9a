/** What follows the host in `ssh NODE@HOST -- ...`: how to come in. */
import type { AttachOptions, Mode } from '../types.ts'

export interface SshOptions extends AttachOptions {
  /** Without a terminal, how long after the end of the input the machine may be silent before we leave; seconds. */
  lingerSeconds: number
}

export type ParsedOptions =
  | { kind: 'attach'; options: SshOptions }
  | { kind: 'help' }
  | { kind: 'wrong'; why: string }

export const usage = `ssh -p PORT NODE@HOST [-- OPTION...]

  --read-only         look on; what is typed goes nowhere
  --take              take the keyboard from a writer who is idle, or yourself
  --force             take the keyboard from anybody at once
  --offset N          go on at this byte of the journal
  --scrollback BYTES  so much of the past first
  --no-scrollback     nothing of the past
  --linger SECONDS    without a terminal: leave when the input has ended and the machine was silent for so long (2)
  --help              these words

Without an option you type if nobody else does. ssh takes options before "--" as its own.
`

const modes: Readonly<Record<string, Mode>> = { '--read-only': 'read', '--take': 'take', '--force': 'force' }
const defaultLingerSeconds = 2
const mostLingerSeconds = 86_400

/** Reads the command of an exec request; undefined is a shell's. */
export function parseOptions(command: string | undefined): ParsedOptions {
  const words = (command ?? '').trim().split(/\s+/).filter(Boolean)
  const options: SshOptions = { mode: 'write', lingerSeconds: defaultLingerSeconds }
  let modeBy: string | undefined
  while (words.length > 0) {
    const [flag = '', attached] = splitOnce(words.shift() as string)
    const mode = Object.hasOwn(modes, flag) ? modes[flag] : undefined
    if (flag === '--help' || flag === '-h') return { kind: 'help' }
    if (mode) {
      if (modeBy !== undefined && modeBy !== flag) return wrong(`${modeBy} and ${flag} exclude each other`)
      if (attached !== undefined) return wrong(`${flag} takes no value`)
      modeBy = flag
      options.mode = mode
    } else if (flag === '--no-scrollback') {
      if (attached !== undefined) return wrong(`${flag} takes no value`)
      options.scrollbackBytes = 0
    } else if (flag === '--offset' || flag === '--scrollback' || flag === '--linger') {
      const value = attached ?? words.shift()
      const number = value !== undefined && /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
      if (!Number.isSafeInteger(number)) return wrong(`${flag} takes a number`)
      if (flag === '--offset') options.offset = number
      else if (flag === '--scrollback') options.scrollbackBytes = number
      else options.lingerSeconds = Math.min(number, mostLingerSeconds)
    } else return wrong(`${flag.slice(0, 60)} is not an option here; a console runs no commands`)
  }
  return { kind: 'attach', options }
}

const wrong = (why: string): ParsedOptions => ({ kind: 'wrong', why })

const splitOnce = (word: string): [string, string?] => {
  const at = word.startsWith('--') ? word.indexOf('=') : -1
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)]
}
