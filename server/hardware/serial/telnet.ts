/** Telnet as a terminal server speaks it, from the client's side: no socket, no clock (RFC 854, 855, 856, 860). */

export interface Telnet {
  /** What to say first: that bytes are to pass as they are. */
  readonly opening: Buffer
  /** Reads what came: the bytes that mean bytes, and what must be answered. */
  decode(bytes: Buffer): { data: Buffer; reply: Buffer; breaks: number; timingMarks: number }
  encode(bytes: Buffer): Buffer
}

export function createTelnet(): Telnet {
  /** Options in force: of ours (what we WILL), and of the server's (what we asked it to DO). */
  const ours = new Set<number>()
  const theirs = new Set<number>()
  /** Asked for in the opening and not answered yet: the answer needs no answer. */
  const offered = new Set<number>([option.binary])
  const requested = new Set<number>([option.binary, option.suppressGoAhead])
  /** How often each option was answered for: two ends that misunderstand each other must not go on for ever. */
  const answered = new Map<number, number>()
  let state: 'data' | 'cr' | 'iac' | 'option' | 'sub' | 'sub iac' = 'data'
  let verb = 0

  const negotiate = (about: number): readonly number[] => {
    const positive = verb === command.will || verb === command.do
    const own = verb === command.do || verb === command.dont
    const [inForce, pending] = own ? [ours, offered] : [theirs, requested]
    const [yes, no] = own ? [command.will, command.wont] : [command.do, command.dont]
    if (own && positive && about === option.timingMark) return [command.iac, command.will, about]
    const asked = pending.delete(about)
    if (!positive) {
      const was = inForce.delete(about)
      return was && !asked ? [command.iac, no, about] : []
    }
    if (inForce.has(about)) return []
    if (!(own ? weMay : theyMay).has(about)) return [command.iac, no, about]
    inForce.add(about)
    return asked ? [] : [command.iac, yes, about]
  }

  const answer = (about: number): readonly number[] => {
    const words = negotiate(about)
    const times = answered.get(about) ?? 0
    if (words.length === 0 || times >= mostAnswers) return []
    answered.set(about, times + 1)
    return words
  }

  return {
    opening: Buffer.from([
      ...[command.iac, command.will, option.binary],
      ...[command.iac, command.do, option.binary],
      ...[command.iac, command.do, option.suppressGoAhead],
    ]),
    decode(bytes) {
      const data = Buffer.allocUnsafe(bytes.length)
      const reply: number[] = []
      let length = 0
      let breaks = 0
      let timingMarks = 0
      for (const byte of bytes) {
        switch (state) {
          case 'cr':
          case 'data':
            // Without binary transmission a carriage return by itself comes with a zero byte behind it.
            if (state === 'cr' && byte === 0) state = 'data'
            else if (byte === command.iac) state = 'iac'
            else {
              data[length++] = byte
              state = byte === 0x0d && !theirs.has(option.binary) ? 'cr' : 'data'
            }
            break
          case 'iac':
            state = 'data'
            if (byte === command.iac) data[length++] = byte
            else if (byte === command.sub) state = 'sub'
            else if (byte === command.break) breaks += 1
            else if (byte >= command.will) {
              verb = byte
              state = 'option'
            }
            break
          case 'option':
            state = 'data'
            if (byte === option.timingMark && (verb === command.will || verb === command.wont))
              timingMarks += 1
            else reply.push(...answer(byte))
            break
          case 'sub':
            if (byte === command.iac) state = 'sub iac'
            break
          case 'sub iac':
            state = byte === command.subEnd ? 'data' : 'sub'
        }
      }
      return { data: data.subarray(0, length), reply: Buffer.from(reply), breaks, timingMarks }
    },
    encode(bytes) {
      const binary = ours.has(option.binary)
      if (!bytes.includes(command.iac) && (binary || !bytes.includes(0x0d))) return bytes
      const coded: number[] = []
      for (const [index, byte] of bytes.entries()) {
        coded.push(byte)
        if (byte === command.iac) coded.push(byte)
        else if (byte === 0x0d && !binary && bytes[index + 1] !== 0x0a) coded.push(0)
      }
      return Buffer.from(coded)
    },
  }
}

const command = {
  iac: 255,
  dont: 254,
  do: 253,
  wont: 252,
  will: 251,
  sub: 250,
  break: 243,
  subEnd: 240,
} as const

const option = { binary: 0, echo: 1, suppressGoAhead: 3, timingMark: 6 } as const

const mostAnswers = 16

const weMay: ReadonlySet<number> = new Set([option.binary, option.suppressGoAhead])
const theyMay: ReadonlySet<number> = new Set([option.binary, option.echo, option.suppressGoAhead])

export const telnetBreak = Buffer.from([command.iac, command.break])
/** Asks for an answer, which proves that the server lives (RFC 860). */
export const askTimingMark = Buffer.from([command.iac, command.do, option.timingMark])
