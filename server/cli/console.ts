/** `leasehold console NODE`: a terminal on a machine's serial console. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { createNarrator, exitStatus, type Request } from '../console/client/index.ts'
import { CloudError, findCloud } from './clouds.ts'
import { type ConsoleArguments, consoleUsage, parseConsoleArguments } from './console-arguments.ts'
import { type Link, type LinkEnd, openLink } from './console-link.ts'
import { createEscapes, type EscapeAction, escapeHelp } from './escape.ts'
import { access, tlsOf } from './keystone.ts'
import { openTerminal, type Terminal } from './terminal.ts'

/** Runs it on the process's own terminal; answers with the exit status. */
export async function consoleCommand(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<number> {
  const parsed = parseConsoleArguments(words)
  if (parsed.kind === 'help') {
    process.stdout.write(consoleUsage)
    return exitStatus.left
  }
  if (parsed.kind === 'wrong') {
    process.stderr.write(`leasehold: ${parsed.why}; see leasehold console --help\n`)
    return exitStatus.usage
  }
  try {
    const cloud = findCloud(parsed.arguments.cloud, environment)
    const tls = tlsOf(cloud)
    const first = await access(cloud)
    return await withRecord(parsed.arguments.record, (record) =>
      converse(parsed.arguments, { tls, first, again: () => access(cloud), record }),
    )
  } catch (error) {
    if (!(error instanceof CloudError)) throw error
    process.stderr.write(`leasehold: ${error.message}\n`)
    return exitStatus.cut
  }
}

type Recorder = (bytes: Buffer) => void

/** Opens the file to record in before anything is asked of the console. @throws CloudError */
async function withRecord(
  path: string | undefined,
  work: (record: Recorder) => Promise<number>,
): Promise<number> {
  if (path === undefined) return work(() => {})
  let file: number
  try {
    file = openSync(path, 'a', 0o600)
  } catch (error) {
    throw new CloudError(`--record: ${(error as Error).message}`)
  }
  try {
    return await work((bytes) => {
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written)
    })
  } finally {
    closeSync(file)
  }
}

type Access = Awaited<ReturnType<typeof access>>
interface Means {
  tls: ReturnType<typeof tlsOf>
  first: Access
  again: () => Promise<Access>
  record: Recorder
}

/** From the first byte to the last. */
function converse(asked: ConsoleArguments, { tls, first, again, record }: Means): Promise<number> {
  const { stdin, stdout } = process
  const terminal = openTerminal(stdin, stdout, process.stderr)
  const letter = terminal.isTerminal ? asked.escape : null
  const leaving = letter === null ? 'interrupt to leave' : `Enter ${letter}. leaves, ${letter}? helps`
  const narrator = createNarrator(asked.node, asked.mode, leaving)
  let mode: 'read' | 'write' | undefined
  let usedFirst = false

  return new Promise((resolve) => {
    const finish = (status: number, words?: string) => {
      terminal.restore()
      link.close()
      keyboard.stop()
      silence.stop()
      if (words !== undefined) terminal.say(words)
      resolve(status)
    }
    const silence = createSilence(asked.lingerSeconds * 1000, () => finish(exitStatus.left))
    const link: Link = openLink({
      node: asked.node,
      mode: asked.mode,
      offset: asked.offset,
      scrollbackBytes: asked.scrollbackBytes,
      tls,
      access: async () => {
        if (usedFirst) return again()
        usedFirst = true
        return first
      },
      onBytes(bytes) {
        silence.broken()
        record(bytes)
        return stdout.write(bytes)
      },
      onControl(message) {
        const line = narrator.tell(message)
        if (line !== undefined) terminal.say(line)
        if (message.type === 'hello' || message.type === 'mode') mode = message.mode
        if (message.type === 'hello') {
          tellSize(link, terminal)
          keyboard.go()
        }
      },
      onLost: (why) => terminal.say(narrator.line(`${why}; connecting again`)),
      onWritable: () => keyboard.go(),
      onEnd: ({ kind, words }: LinkEnd) => finish(exitStatus[kind], narrator.line(words)),
    })
    const keyboard = readKeyboard(stdin, {
      letter,
      // Someone who types must be heard by the escapes, connected or not; a file can wait.
      waits: !terminal.isTerminal,
      write: (bytes) => link.write(bytes),
      onUnheard: () => terminal.say(narrator.line('not connected: this was not typed')),
      onAction: (action) => act(action),
      onEnd() {
        if (asked.mode === 'read') return
        if (mode === 'read' && keyboard.taken() > 0)
          return finish(
            exitStatus.cut,
            narrator.line('what was sent was not typed: the keyboard was not yours'),
          )
        silence.begin()
      },
    })
    const act = (action: EscapeAction) => {
      if (action === 'leave') finish(exitStatus.left)
      else if (action === 'help') terminal.say(escapeHelp(letter as string))
      else link.request(requests[action])
    }
    stdout.on('drain', () => link.drained())
    // Whoever reads us has gone, as in `leasehold console ... | head`.
    stdout.on('error', () => finish(exitStatus.left))
    terminal.onResize(() => tellSize(link, terminal))
  })
}

const requests: Readonly<Record<Exclude<EscapeAction, 'leave' | 'help'>, Request>> = {
  break: { type: 'break' },
  read: { type: 'release' },
  take: { type: 'take' },
  force: { type: 'force' },
}

const tellSize = (link: Link, terminal: Terminal): void => {
  const size = terminal.size()
  if (size) link.request({ type: 'resize', ...size })
}

interface KeyboardDeps {
  letter: string | null
  waits: boolean
  write(bytes: Buffer): boolean
  onUnheard(): void
  onAction(action: EscapeAction): void
  onEnd(): void
}

/** Reads what is typed or piped in, from the first `go` on. */
function readKeyboard(input: NodeJS.ReadStream, deps: KeyboardDeps) {
  const escapes = createEscapes(deps.letter)
  let waiting: Buffer | undefined
  let unheard = false
  let stopped = false
  let ended = false
  let taken = 0
  const send = (bytes: Buffer): boolean => {
    if (!deps.write(bytes)) return false
    taken += bytes.length
    unheard = false
    return true
  }
  const go = () => {
    if (stopped) return
    if (waiting) {
      if (!send(waiting)) return
      waiting = undefined
    }
    if (ended) {
      stopped = true
      deps.onEnd()
    } else input.resume()
  }
  input.on('data', (chunk: Buffer) => {
    for (const typed of escapes(chunk)) {
      if (stopped) return
      if ('action' in typed) deps.onAction(typed.action)
      else if (!send(typed.bytes)) {
        if (deps.waits) {
          waiting = waiting ? Buffer.concat([waiting, typed.bytes]) : typed.bytes
          input.pause()
        } else if (!unheard) {
          unheard = true
          deps.onUnheard()
        }
      }
    }
  })
  input.on('end', () => {
    ended = true
    if (!waiting) go()
  })
  if (deps.waits) input.pause()
  return {
    go,
    taken: () => taken,
    stop() {
      stopped = true
      input.pause()
    },
  }
}

/** Calls `work` when nothing has broken the silence for so long since it began. */
function createSilence(ms: number, work: () => void) {
  let timer: NodeJS.Timeout | undefined
  return {
    begin() {
      timer = setTimeout(work, ms)
    },
    broken: () => void timer?.refresh(),
    stop: () => clearTimeout(timer),
  }
}
