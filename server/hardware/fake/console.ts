/** The console of a fake machine: a small terminal that echoes, and misbehaves when told to by what is typed. */
import { LeaseholdError } from '../../errors.ts'
import type { ConsoleInterface, Line, LineEvents, Node } from '../types.ts'
import { fake, operate } from './operations.ts'

export const console: ConsoleInterface = {
  ...fake('console'),
  async start(node, bounds) {
    await operate(node, 'console.start', bounds)
    return { console_enabled: true }
  },
  async stop(node, bounds) {
    await operate(node, 'console.stop', bounds)
    return { console_enabled: false }
  },
  async open(node, events, options) {
    events.activating()
    await operate(node, 'console.open', options)
    return terminal(node, events)
  },
}

/** Everything is said a moment after what caused it, as by a real machine, and never within the caller's call. */
function terminal(node: Node, events: LineEvents): Line {
  const name = node.name ?? node.uuid
  let line = ''
  let over = false

  const soon = (act: () => void) => {
    setImmediate(() => {
      if (!over) act()
    })
  }
  const lose = (taken: boolean, words: string) => {
    over = true
    events.lost({ taken, error: new LeaseholdError('unavailable', words) })
  }
  const say = (bytes: string | Buffer) => {
    if (over) return
    try {
      events.data(Buffer.from(bytes as string))
    } catch (error) {
      over = true
      events.lost({ taken: false, error: error instanceof Error ? error : new Error(String(error)) })
    }
  }
  const prompt = () => say(`${name}$ `)

  const run = (typed: string) => {
    const [command = '', ...words] = typed.trim().split(/\s+/)
    const known = Object.hasOwn(commands, command) ? commands[command] : undefined
    if (known !== undefined) known({ words, say, lose, noted: events.noted })
    else if (command !== '') say(`${command}: not found; try help\r\n`)
    prompt()
  }

  const type = (bytes: Buffer) => {
    let echo: number[] = []
    for (const byte of bytes) {
      if (byte !== 0x0d) {
        line = byte === 0x7f ? line.slice(0, -1) : (line + String.fromCharCode(byte)).slice(-longestLine)
        echo.push(...(byte === 0x7f ? [0x08, 0x20, 0x08] : [byte]))
        continue
      }
      say(Buffer.from([...echo, 0x0d, 0x0a]))
      echo = []
      const typed = line
      line = ''
      run(typed)
    }
    if (echo.length > 0) say(Buffer.from(echo))
  }

  soon(() => {
    say(`\r\nFake machine ${name}: nothing here is real. Try "help".\r\n`)
    prompt()
  })
  return {
    queued: 0,
    write(bytes) {
      if (over) return false
      const typed = Buffer.from(bytes)
      soon(() => {
        type(typed)
        if (!over) events.drained()
      })
      return true
    },
    sendBreak: () => soon(() => say('\r\n[break]\r\n')),
    async close() {
      over = true
    },
  }
}

interface Call {
  words: readonly string[]
  say(bytes: string): void
  lose(taken: boolean, words: string): void
  noted: LineEvents['noted']
}

const commands: Readonly<Record<string, (call: Call) => void>> = {
  help: ({ say }) =>
    say('help; echo WORDS; flood BYTES; lose (the line); steal (it is taken); break; overrun\r\n'),
  echo: ({ words, say }) => say(`${words.join(' ')}\r\n`),
  /** That many bytes, in numbered lines of 64. */
  flood({ words: [amount = '0'], say }) {
    const bytes = Math.min(Number.parseInt(amount, 10) || 0, mostFlood)
    for (let sent = 0; sent < bytes; sent += floodChunk) {
      const lines = Array.from({ length: floodChunk / 64 }, (_, index) => {
        return `${String(sent / 64 + index).padStart(62, '.')}\r\n`
      })
      say(lines.join('').slice(0, bytes - sent))
    }
  },
  lose: ({ lose }) =>
    lose(false, 'Fake machine: its console was lost because somebody typed "lose"; open it again.'),
  steal: ({ lose }) => lose(true, 'Fake machine: its console was taken because somebody typed "steal".'),
  break: ({ noted }) => noted('break'),
  overrun: ({ noted }) => noted('overrun'),
}

const longestLine = 256
const floodChunk = 64 * 64
const mostFlood = 64 * 1024 * 1024
