/** What a shell's user sees: sends a line, waits for the prompt, turns the pager's pages, takes echo and prompt away. */
import { StringDecoder } from 'node:string_decoder'
import type { ClientChannel } from 'ssh2'
import { SwitchError } from '../errors.ts'

export type ScreenProfile = {
  promptTail: RegExp
  pager: RegExp
  questions: readonly { asks: RegExp; answer: string }[]
}

export type Screen = {
  /** Waits for the first prompt and learns the host's name from it. */
  begin: (signal: AbortSignal) => Promise<void>
  /** What the switch prints for a line. One at a time. @throws SwitchError 'unreachable' | 'timeout' */
  run: (line: string, signal: AbortSignal) => Promise<string>
  /** The prompt that the cursor is behind. */
  prompt: () => string
  alive: () => boolean
  end: () => void
}

type Waiting = { done: () => boolean; finish: (error?: SwitchError) => void }

export function createScreen(channel: ClientChannel, profile: ScreenProfile): Screen {
  const decoder = new StringDecoder('utf8')
  let buffer = ''
  let broken: string | undefined
  let host = ''
  let waiting: Waiting | undefined

  channel.on('data', (chunk: Buffer) => {
    buffer += decoder.write(chunk)
    look()
  })
  channel.on('error', (error: Error) => fall(error.message))
  channel.on('close', () => fall('the switch closed the session'))

  function fall(why: string): void {
    broken ??= why
    waiting?.finish(new SwitchError('unreachable', `the session broke: ${broken}`))
  }

  /** Looks only at the line that the cursor is in: prompts, pagers and questions do not end it. */
  function look(): void {
    const start = buffer.lastIndexOf('\n') + 1
    const last = clean(buffer.slice(start))
    if (profile.pager.test(last)) {
      buffer = buffer.slice(0, start)
      channel.write(' ')
    } else {
      const question = profile.questions.find(({ asks }) => asks.test(last))
      if (question) {
        buffer += '\n'
        channel.write(`${question.answer}\n`)
      }
    }
    if (waiting?.done()) waiting.finish()
  }

  function until(done: () => boolean, signal: AbortSignal, line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = () => {
        // What comes later would be taken for the answer to the next line, so this shell is of no more use.
        broken ??= 'an answer did not come in time'
        finish(new SwitchError('timeout', `no prompt in time after "${line}"`, { line }))
        channel.close()
      }
      const finish = (error?: SwitchError) => {
        waiting = undefined
        signal.removeEventListener('abort', late)
        if (error) reject(error.code === 'unreachable' ? about(error, line) : error)
        else resolve()
      }
      if (broken !== undefined)
        return reject(about(new SwitchError('unreachable', `the session broke: ${broken}`), line))
      waiting = { done, finish }
      if (signal.aborted) late()
      else if (done()) finish()
      else signal.addEventListener('abort', late, { once: true })
    })
  }

  const lastLine = () => clean(buffer.slice(buffer.lastIndexOf('\n') + 1))
  const atPrompt = () => {
    const last = lastLine()
    return last.startsWith(host) && profile.promptTail.test(last.slice(host.length))
  }

  return {
    prompt: lastLine,
    alive: () => broken === undefined,
    end: () => {
      broken ??= 'closed'
      channel.end()
    },
    begin: async (signal) => {
      const anyPrompt = () =>
        /^[\w.-]+/.test(lastLine()) && profile.promptTail.test(lastLine().replace(/^[\w.-]+/, ''))
      await until(anyPrompt, signal, 'login')
      host = /^[\w.-]+/.exec(lastLine())?.[0] ?? ''
    },
    run: async (line, signal) => {
      buffer = ''
      channel.write(`${line}\n`)
      // The echo ends with a newline; a prompt before it is the one the line was typed at.
      await until(() => buffer.includes('\n') && atPrompt(), signal, line)
      const lines = clean(buffer).split('\n')
      lines.pop()
      if (lines[0]?.trim() === line.trim() || lines[0]?.endsWith(line)) lines.shift()
      return lines.join('\n').trim()
    },
  }
}

function about(error: SwitchError, line: string): SwitchError {
  return new SwitchError(error.code, `${error.message} (at "${line}")`, { line })
}

/** Without carriage returns, terminal controls and what a pager rubbed out. */
function clean(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replace(controls, '')
    .replace(/^.*\r(?!\n)/gm, '')
    .replaceAll('\r', '')
}

const controls = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]|[\\x08\\x07]`, 'g')
