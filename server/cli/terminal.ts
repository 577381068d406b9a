/** The person's end: raw mode while a console is open, and as it was before whatever happens. */
import { spawnSync } from 'node:child_process'
import type { ReadStream, WriteStream } from 'node:tty'

export interface Terminal {
  readonly isTerminal: boolean
  size(): { columns: number; rows: number } | undefined
  onResize(changed: () => void): void
  /** A line of words beside the machine's bytes. */
  say(line: string): void
  restore(): void
}

/** Sets raw mode when input is a terminal. */
export function openTerminal(input: ReadStream, output: WriteStream, words: WriteStream): Terminal {
  const isTerminal = input.isTTY === true
  const restore = () => {
    if (isTerminal && input.isRaw) input.setRawMode(false)
  }
  if (isTerminal) {
    setRaw(input)
    // Whatever ends the process.
    process.on('exit', restore)
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const)
      process.once(signal, () => process.exit(128 + signalNumbers[signal]))
    // Stopped from outside and gone on with, it is the shell's mode that is set.
    process.on('SIGCONT', () => {
      input.setRawMode(false)
      setRaw(input)
    })
  }
  return {
    isTerminal,
    size: () =>
      output.isTTY && output.columns > 0 ? { columns: output.columns, rows: output.rows } : undefined,
    onResize: (changed) => void output.on('resize', changed),
    say: (line) => void words.write(isTerminal ? `\r\n${line.replaceAll('\n', '\r\n')}\r\n` : `${line}\n`),
    restore,
  }
}

/** Node's raw mode still makes CR LF of LF on output, which spoils the screens of programs that mean LF. */
function setRaw(input: ReadStream): void {
  input.setRawMode(true)
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'], timeout: 2_000 })
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const
