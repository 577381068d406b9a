/** Console over TCP, raw or telnet: terminal servers, `ser2net`, QEMU's serial ports. */
import type { Socket } from 'node:net'
import type { ConsoleInterface, Line, LineEvents, LineOptions, Node } from '../types.ts'
import { addressProperties, connectTo, invalid, readAddress, readText, type SerialDeps } from './access.ts'
import { lineOver, plainly } from './stream.ts'
import { askTimingMark, createTelnet, telnetBreak } from './telnet.ts'

const properties = {
  ...addressProperties,
  console_port: 'TCP port of the console, 1 to 65535. Required; of interface ssh the default is 22.',
  console_protocol: 'What is spoken there: raw or telnet; default is raw. Optional.',
} as const

/** The console interface `tcp`. Nothing is encrypted, and nobody logs in: for networks that only consoles are on. */
export function createTcpConsole(deps: SerialDeps): ConsoleInterface {
  return {
    name: 'tcp',
    properties,
    validate: (node) => void readTcp(node),
    start: async () => ({ console_enabled: true }),
    stop: async () => ({ console_enabled: false }),
    async open(node, events, options) {
      const { address, protocol } = readTcp(node)
      const socket = await connectTo(address, options, deps)
      socket.setKeepAlive(true, options.keepAliveMs)
      events.activating()
      const name = `${address.host}:${address.port}`
      return protocol === 'telnet' ? telnetLine(socket, events, options, name) : rawLine(socket, events, name)
    },
  }
}

function rawLine(socket: Socket, events: LineEvents, name: string): Line {
  return lineOver(socket, events, plainly, name, () => socket.destroy()).line
}

function telnetLine(socket: Socket, events: LineEvents, { keepAliveMs }: LineOptions, name: string): Line {
  const telnet = createTelnet()
  /** Whether this server answers timing marks at all, and how many it owes. */
  let answers = false
  let owed = 0
  let ended = false

  const watch = setInterval(() => {
    if (answers && owed >= mostOwed) return lose(`Console ${name}: it does not answer any more.`)
    // One that has never answered is asked once, and then left alone.
    if (!answers && owed > 0) return
    owed += 1
    socket.write(askTimingMark)
  }, keepAliveMs).unref()
  const coding = {
    decode(bytes: Buffer) {
      const { data, reply, breaks, timingMarks } = telnet.decode(bytes)
      if (reply.length > 0 && !ended) socket.write(reply)
      if (timingMarks > 0) answers = true
      if (timingMarks > 0) owed = 0
      for (let count = 0; count < breaks; count += 1) events.noted('break')
      return data
    },
    encode: telnet.encode,
  }
  const { line, lose } = lineOver(socket, events, coding, name, () => {
    ended = true
    clearInterval(watch)
    socket.destroy()
  })
  socket.write(telnet.opening)
  return {
    write: line.write,
    get queued() {
      return line.queued
    },
    sendBreak: () => {
      if (!ended) socket.write(telnetBreak)
    },
    close: line.close,
  }
}

const mostOwed = 2

interface TcpAccess {
  address: ReturnType<typeof readAddress>
  protocol: 'raw' | 'telnet'
}

function readTcp({ driver_info: info }: Pick<Node, 'driver_info'>): TcpAccess {
  const protocol = readText(info, 'console_protocol') ?? 'raw'
  if (protocol !== 'raw' && protocol !== 'telnet') throw invalid('console_protocol', 'must be raw or telnet')
  return { address: readAddress(info), protocol }
}
