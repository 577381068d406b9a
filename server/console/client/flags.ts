/** Options of those who come to a console by a command line, `ssh` or our own, and what they are told at its end. */
import type { Mode } from '../types.ts'

export const modeFlags: Readonly<Record<string, Mode>> = {
  '--read-only': 'read',
  '--take': 'take',
  '--force': 'force',
}

export const exitStatus = { left: 0, cut: 1, usage: 2, refused: 3 } as const

/** Without a terminal: how long the machine may be silent after the input's end, seconds. Timers go no further than 24 days. */
export const usualLingerSeconds = 2
export const mostLingerSeconds = 86_400

/** `--flag=value` in two; the value is undefined where there is none attached. */
export function splitFlag(word: string): [flag: string, attached?: string] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)]
}

export const takesNoValue = (flag: string): boolean =>
  Object.hasOwn(modeFlags, flag) || flag === '--no-scrollback'

/** A whole number of 15 digits at most; undefined for anything else. */
export const numberOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
