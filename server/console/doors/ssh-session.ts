/** One SSH session: a terminal, or a pipe, between a person and a console. */
import type { Socket } from 'node:net'
import type { Connection, ServerChannel } from 'ssh2'
import { LeaseholdError, messageOf } from '../../errors.ts'
import type { Buffers } from '../buffers.ts'
import { exitStatus } from '../client/flags.ts'
import { createNarrator, plain } from '../client/words.ts'
import { type Attach, type Attachment, endings, type Sink, type Visitor } from '../types.ts'
import { parseOptions, type SshOptions, usage } from './ssh-options.ts'
import { createOutput } from './ssh-output.ts'

export interface SessionDeps {
  attach: Attach
  /** Who came in: more than one when several have named the same key as theirs. */
  visitors: readonly Visitor[]
  /** The user name: a node's name or UUID. */
  ident: string
  connection: Connection
  socket: Socket
  buffers: Buffers
  /** What waits for this client at most. */
  limitBytes: number
  /** It is over; `status` is null when the client has gone. */
  onEnd(status: number | null): void
  onError(error: unknown): void
}

/** Zero where the size is not known, as of a program that plays a terminal. */
export interface Terminal {
  columns: number
  rows: number
}

export interface Session {
  resize(size: Terminal): void
  /** Whether the console was asked. */
  sendBreak(): boolean
  /** The service ends. */
  stop(): void
  /** The client is gone. */
  close(): void
}

/** How long the way to a console may take. */
const attachMs = 15_000
/** Input is handed over in such pieces, so that each finds room. */
const inputPieceBytes = 4096

/** @param command of an exec request; undefined for a shell */
export function startSession(
  deps: SessionDeps,
  channel: ServerChannel,
  asked: { command: string | undefined; terminal: Terminal | undefined },
): Session {
  const { ident } = deps
  const onTerminal = asked.terminal !== undefined
  const parsed = parseOptions(asked.command)
  const options: SshOptions = parsed.kind === 'attach' ? parsed.options : { mode: 'read', lingerSeconds: 0 }
  const leaving = onTerminal ? 'Enter ~. leaves' : 'interrupt ssh to leave'
  const narrator = createNarrator(ident, options.mode, leaving)
  let size = asked.terminal
  let attachment: Attachment | undefined
  let over = false
  let linger: ReturnType<typeof silence> | undefined
  let mode: 'read' | 'write' | undefined

  const output = createOutput({
    channel,
    connection: deps.connection,
    socket: deps.socket,
    share: deps.buffers.join(() => attachment?.drained(), deps.limitBytes),
    newline: onTerminal ? '\r\n' : '\n',
  })

  /** Ends from our side: the last words, then the status. */
  const finish = (status: number, words?: string) => {
    if (over) return
    over = true
    linger?.stop()
    input.stop()
    attachment?.close()
    if (words !== undefined) output.say(words)
    output.end(status)
    deps.onEnd(status)
  }
  /** The client is gone. */
  const close = () => {
    output.stop()
    if (over) return
    over = true
    linger?.stop()
    input.stop()
    attachment?.close()
    deps.onEnd(null)
  }

  const input = readInput(channel, (bytes) => attachment?.write(bytes) ?? false, {
    onEnd: () => {
      // A terminal's input ends with its connection; one who only looks on needs none.
      if (over || onTerminal || options.mode === 'read') return
      if (mode === 'read' && input.bytesTaken() > 0)
        return finish(
          exitStatus.cut,
          narrator.line('what was sent was not typed: the keyboard was not yours'),
        )
      linger = silence(options.lingerSeconds * 1000, () => finish(exitStatus.left))
    },
  })

  const sink: Sink = {
    bytes(_offset, bytes) {
      linger?.broken()
      return output.bytes(bytes)
    },
    control(message) {
      if (message.type === 'hello' || message.type === 'mode') mode = message.mode
      const line = narrator.tell(message)
      if (line !== undefined) output.say(line)
    },
    writable: () => input.go(),
    ended: (ending) => {
      attachment = undefined
      finish(exitStatus.cut, narrator.line(endings[ending]))
    },
  }

  const tellSize = () => {
    if (size && size.columns > 0 && size.rows > 0) attachment?.request({ type: 'resize', ...size })
  }

  const begin = async () => {
    const late = setTimeout(() => finish(exitStatus.cut, narrator.line(endings.unavailable)), attachMs)
    try {
      const entered = await enter(deps, options, sink)
      if (over) return entered.close()
      attachment = entered
      tellSize()
      input.go()
    } catch (error) {
      if (!(error instanceof LeaseholdError)) deps.onError(error)
      const refused = error instanceof LeaseholdError && ['not-found', 'forbidden'].includes(error.code)
      const words = error instanceof LeaseholdError ? messageOf(error) : endings.unavailable
      finish(refused ? exitStatus.refused : exitStatus.cut, `leasehold: ${plain(words)}`)
    } finally {
      clearTimeout(late)
    }
  }
  if (parsed.kind === 'attach') void begin()
  else if (parsed.kind === 'help') {
    output.print(usage)
    finish(exitStatus.left)
  } else finish(exitStatus.usage, `leasehold: ${plain(parsed.why)}; see -- --help`)

  return {
    resize(to) {
      const isOther = to.columns !== size?.columns || to.rows !== size.rows
      size = to
      if (isOther) tellSize()
    },
    sendBreak() {
      attachment?.request({ type: 'break' })
      return attachment !== undefined
    },
    stop: () => finish(exitStatus.cut, narrator.line(endings.stopping)),
    close,
  }
}

/** The first of these callers for whom there is such a node; the last one's refusal when there is none. */
async function enter(deps: SessionDeps, options: SshOptions, sink: Sink): Promise<Attachment> {
  const { lingerSeconds: _, ...wanted } = options
  let refusal: unknown
  for (const visitor of deps.visitors)
    try {
      return await deps.attach(visitor, deps.ident, wanted, sink)
    } catch (error) {
      // One who may see it but not watch has more to tell than one who may not see it.
      const code = error instanceof LeaseholdError ? error.code : undefined
      if (code !== 'not-found' && code !== 'forbidden') throw error
      if (refusal === undefined || code === 'forbidden') refusal = error
    }
  throw refusal
}

/** Reads the channel as fast as `write` takes it, from the first `go` on. */
function readInput(
  channel: ServerChannel,
  write: (bytes: Buffer) => boolean,
  { onEnd }: { onEnd: () => void },
) {
  let waiting: Buffer | undefined
  let ended = false
  let stopped = false
  const end = () => {
    stopped = true
    onEnd()
  }
  let taken = 0
  const go = () => {
    while (waiting && !stopped) {
      const piece = waiting.subarray(0, inputPieceBytes)
      if (!write(piece)) return
      taken += piece.length
      waiting = piece.length < waiting.length ? waiting.subarray(piece.length) : undefined
    }
    if (stopped) return
    if (ended) end()
    else channel.resume()
  }
  channel.on('data', (bytes: Buffer) => {
    if (stopped) return
    channel.pause()
    waiting = bytes
    go()
  })
  channel.on('end', () => {
    ended = true
    if (!waiting && !stopped) end()
  })
  channel.pause()
  return {
    go,
    bytesTaken: () => taken,
    /** What still comes is thrown away, so that the end behind it is seen. */
    stop() {
      stopped = true
      waiting = undefined
      channel.resume()
    },
  }
}

/** Calls `work` once nothing has broken the silence for so long. */
function silence(ms: number, work: () => void) {
  const timer = setTimeout(work, ms)
  return { broken: () => void timer.refresh(), stop: () => clearTimeout(timer) }
}
