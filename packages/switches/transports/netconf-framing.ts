/** How NETCONF messages are told apart on a stream (RFC 6242): `]]>]]>` until both sides know chunks, then chunks. */
import { SwitchError } from '../errors.ts'

export type Deframer = {
  /** @throws SwitchError 'unreachable' for anything but well-formed frames; nothing can be read after that */
  push: (data: Buffer) => void
  /** From the next message on: to be called when a message was handed over. */
  useChunks: () => void
}

export type DeframerOptions = {
  /** Bytes in one message. */
  maxBytes: number
  /** Called for each whole message, before any byte after it is looked at. */
  onMessage: (text: string) => void
}

const mark = Buffer.from(']]>]]>')

export function frame(text: string, chunked: boolean): Buffer {
  const body = Buffer.from(text)
  if (!chunked) return Buffer.concat([body, mark])
  return Buffer.concat([Buffer.from(`\n#${body.length}\n`), body, Buffer.from('\n##\n')])
}

export function createDeframer({ maxBytes, onMessage }: DeframerOptions): Deframer {
  let chunked = false
  let parts: Buffer[] = []
  let size = 0
  /** Of a chunk: its bytes still to come, or the header so far. */
  let missing = 0
  let header = ''

  function push(data: Buffer): void {
    let rest = data
    while (rest.length > 0) rest = chunked ? chunk(rest) : untilMark(rest)
  }

  function untilMark(data: Buffer): Buffer {
    // The mark may have begun in what came before.
    const tail = Buffer.concat(parts.slice(-mark.length)).subarray(-(mark.length - 1))
    const at = Buffer.concat([tail, data.subarray(0, mark.length)]).indexOf(mark)
    const end = at >= 0 ? at - tail.length + mark.length : data.indexOf(mark) + mark.length
    if (at < 0 && end < mark.length) {
      keep(data)
      return Buffer.alloc(0)
    }
    keep(data.subarray(0, end))
    const whole = Buffer.concat(parts)
    finish(whole.subarray(0, whole.length - mark.length))
    return data.subarray(end)
  }

  function chunk(data: Buffer): Buffer {
    if (missing > 0) {
      const part = data.subarray(0, missing)
      keep(part)
      missing -= part.length
      return data.subarray(part.length)
    }
    for (let at = 0; at < data.length; at++) {
      header += String.fromCharCode(data[at] as number)
      if (header === '\n##\n') {
        if (parts.length === 0) refuse('a message without a chunk')
        header = ''
        finish(Buffer.concat(parts))
        return data.subarray(at + 1)
      }
      const length = /^\n#([1-9]\d{0,9})\n$/.exec(header)?.[1]
      if (length !== undefined) {
        missing = Number(length)
        header = ''
        if (missing > 4_294_967_295) refuse(`a chunk of ${length} bytes`)
        if (size + missing > maxBytes) refuse(`a message of more than ${maxBytes} bytes`)
        return data.subarray(at + 1)
      }
      if (!/^\n(#(#|[1-9]\d{0,9})?)?$/.test(header))
        refuse(`a chunk that begins with ${JSON.stringify(header)}`)
    }
    return Buffer.alloc(0)
  }

  function keep(data: Buffer): void {
    size += data.length
    if (size > maxBytes + mark.length) refuse(`a message of more than ${maxBytes} bytes`)
    parts.push(data)
  }

  function finish(whole: Buffer): void {
    parts = []
    size = 0
    let text: string
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(whole)
    } catch {
      refuse('a message that is not UTF-8')
    }
    onMessage(text)
  }

  return {
    push,
    useChunks: () => {
      chunked = true
    },
  }
}

function refuse(what: string): never {
  throw new SwitchError('unreachable', `the switch does not keep to NETCONF's framing: ${what}`)
}
