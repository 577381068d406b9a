/** The words after `leasehold console`. */
import {
  type Mode,
  modeFlags,
  mostLingerSeconds,
  numberOf,
  splitFlag,
  takesNoValue,
  usualLingerSeconds,
} from '../console/client/index.ts'

export interface ConsoleArguments {
  node: string
  mode: Mode
  offset: number | undefined
  scrollbackBytes: number | undefined
  /** What the machine prints goes there, too. */
  record: string | undefined
  /** The letter that begins an escape; null for none. */
  escape: string | null
  /** Without a terminal: how long the machine may be silent after the input's end; seconds. */
  lingerSeconds: number
  cloud: string | undefined
}

export type ParsedArguments =
  | { kind: 'run'; arguments: ConsoleArguments }
  | { kind: 'help' }
  | { kind: 'wrong'; why: string }

export const consoleUsage = `leasehold console NODE [OPTION...]

  --read-only         look on; what is typed goes nowhere
  --take              take the keyboard from a writer who is idle, or yourself
  --force             take the keyboard from anybody at once
  --offset N          go on at this byte of the journal
  --scrollback BYTES  so much of the past first
  --no-scrollback     nothing of the past
  --record FILE       add what the machine prints to FILE, too
  --escape CHAR|none  what begins an escape (~)
  --linger SECONDS    without a terminal: leave when the input has ended and the machine was silent for so long (2)
  --os-cloud NAME     entry of clouds.yaml; otherwise OS_CLOUD, or OS_AUTH_URL and its kin

Without an option you type if nobody else does. Enter ~? tells the escapes.
Exit status: 0 left, 1 cut or not reached, 2 wrong use, 3 there is no such node, or no right to its console.
`

const numbers = {
  '--offset': 'offset',
  '--scrollback': 'scrollbackBytes',
  '--linger': 'lingerSeconds',
} as const

export function parseConsoleArguments(words: readonly string[]): ParsedArguments {
  const left = [...words]
  const parsed: ConsoleArguments = {
    node: '',
    mode: 'write',
    offset: undefined,
    scrollbackBytes: undefined,
    record: undefined,
    escape: '~',
    lingerSeconds: usualLingerSeconds,
    cloud: undefined,
  }
  let modeBy: string | undefined
  while (left.length > 0) {
    const word = left.shift() as string
    const [flag, attached] = splitFlag(word)
    const value = () => attached ?? left.shift()
    if (!flag.startsWith('-')) {
      if (parsed.node !== '') return wrong(`${flag} is one node too many`)
      parsed.node = flag
      continue
    }
    if (flag === '--help' || flag === '-h') return { kind: 'help' }
    if (attached !== undefined && takesNoValue(flag)) return wrong(`${flag} takes no value`)
    if (Object.hasOwn(modeFlags, flag)) {
      if (modeBy !== undefined && modeBy !== flag) return wrong(`${modeBy} and ${flag} exclude each other`)
      modeBy = flag
      parsed.mode = modeFlags[flag] as Mode
    } else if (flag === '--no-scrollback') parsed.scrollbackBytes = 0
    else if (Object.hasOwn(numbers, flag)) {
      const number = numberOf(value())
      if (number === undefined) return wrong(`${flag} takes a number`)
      parsed[numbers[flag as keyof typeof numbers]] = number
    } else if (flag === '--record' || flag === '--os-cloud') {
      const text = value()
      if (!text) return wrong(`${flag} takes a value`)
      parsed[flag === '--record' ? 'record' : 'cloud'] = text
    } else if (flag === '--escape') {
      const text = value() ?? ''
      if (text !== 'none' && !/^[!-~]$/.test(text)) return wrong('--escape takes one character, or none')
      parsed.escape = text === 'none' ? null : text
    } else return wrong(`${flag} is not an option`)
  }
  parsed.lingerSeconds = Math.min(parsed.lingerSeconds, mostLingerSeconds)
  if (parsed.node === '') return wrong('name a node')
  return { kind: 'run', arguments: parsed }
}

const wrong = (why: string): ParsedArguments => ({ kind: 'wrong', why })
