/** What follows the host in `ssh NODE@HOST -- ...`: how to come in. */
import {
  modeFlags,
  mostLingerSeconds,
  numberOf,
  splitFlag,
  takesNoValue,
  usualLingerSeconds,
} from '../client/flags.ts'
import type { AttachOptions } from '../types.ts'

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

/** Reads the command of an exec request; undefined is a shell's. */
export function parseOptions(command: string | undefined): ParsedOptions {
  const words = (command ?? '').trim().split(/\s+/).filter(Boolean)
  const options: SshOptions = { mode: 'write', lingerSeconds: usualLingerSeconds }
  let modeBy: string | undefined
  while (words.length > 0) {
    const [flag = '', attached] = splitFlag(words.shift() as string)
    const mode = Object.hasOwn(modeFlags, flag) ? modeFlags[flag] : undefined
    if (flag === '--help' || flag === '-h') return { kind: 'help' }
    if (attached !== undefined && takesNoValue(flag)) return wrong(`${flag} takes no value`)
    if (mode) {
      if (modeBy !== undefined && modeBy !== flag) return wrong(`${modeBy} and ${flag} exclude each other`)
      modeBy = flag
      options.mode = mode
    } else if (flag === '--no-scrollback') options.scrollbackBytes = 0
    else if (flag === '--offset' || flag === '--scrollback' || flag === '--linger') {
      const number = numberOf(attached ?? words.shift())
      if (number === undefined) return wrong(`${flag} takes a number`)
      if (flag === '--offset') options.offset = number
      else if (flag === '--scrollback') options.scrollbackBytes = number
      else options.lingerSeconds = Math.min(number, mostLingerSeconds)
    } else return wrong(`${flag.slice(0, 60)} is not an option here; a console runs no commands`)
  }
  return { kind: 'attach', options }
}

const wrong = (why: string): ParsedOptions => ({ kind: 'wrong', why })
