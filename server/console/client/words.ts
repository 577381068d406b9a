/** Control messages in words, for terminals: one short line each, in brackets, so that nobody takes it for the machine's. */
import type { Control, Mode, WatcherView } from '../types.ts'

export interface Narrator {
  /** A line without its end; undefined for what needs no saying. */
  tell(message: Control): string | undefined
  /** A line of one's own, with the same name before it. */
  line(text: string): string
}

/**
 * @param ident what the node was asked for by, until its name is known
 * @param wanted how the watcher came in
 * @param leaving how to leave, such as "~. leaves"
 */
export function createNarrator(ident: string, wanted: Mode, leaving: string): Narrator {
  let name = ident
  let self = ''
  let others: readonly WatcherView[] = []
  const line = (text: string) => `[${plain(name)}: ${plain(text)}]`

  const hello = (message: Control & { type: 'hello' }): string => {
    name = message.node.name ?? message.node.uuid
    self = message.watcher
    others = message.watchers.filter(({ id }) => id !== self)
    const parts = [
      stateWords(message.state, message.reason),
      ...(message.power_state ? [message.power_state] : []),
      message.mode === 'write' ? 'you type here' : wanted === 'read' ? 'read only' : 'you only read for now',
      others.length > 0
        ? `also here: ${others.slice(0, 5).map(called).join(', ')}${more(others)}`
        : 'nobody else is here',
      leaving,
    ]
    return line(parts.join('; '))
  }

  const watchers = (now: readonly WatcherView[]): string | undefined => {
    const before = others
    others = now.filter(({ id }) => id !== self)
    const had = new Set(before.map(({ id }) => id))
    const has = new Set(others.map(({ id }) => id))
    const came = others.filter(({ id }) => !had.has(id)).map(({ user }) => `${user ?? 'somebody'} came`)
    const left = before.filter(({ id }) => !has.has(id)).map(({ user }) => `${user ?? 'somebody'} left`)
    const changes = [...came, ...left]
    return changes.length > 0 ? line(changes.slice(0, 5).join(', ')) : undefined
  }

  const tell = (message: Control): string | undefined => {
    switch (message.type) {
      case 'hello':
        return hello(message)
      case 'state':
        return line(stateWords(message.state, message.reason))
      case 'event':
        return line(message.event)
      case 'gap': {
        const count = message.to - message.from
        return line(`${count} ${count === 1 ? 'byte is' : 'bytes are'} missing here: ${message.reason}`)
      }
      case 'wall':
        return line('the node has changed hands')
      case 'watchers':
        return watchers(message.watchers)
      case 'mode':
        return line(`${message.mode === 'write' ? 'you type now' : 'you only read now'}: ${message.reason}`)
      case 'error':
        return line(message.error)
      case 'reconnecting':
        return line('the console is being reached again; nothing is lost')
      case 'resize':
      case 'pong':
        return undefined
    }
  }
  return { tell, line }
}

const called = ({ user, mode }: WatcherView): string =>
  `${user ?? 'somebody'}${mode === 'write' ? ' (typing)' : ''}`
const more = (all: readonly unknown[]): string => (all.length > 5 ? ` and ${all.length - 5} more` : '')

const stateWords = (state: string, reason: string | null): string =>
  state === 'up' ? 'line up' : `line ${state}${reason ? `, ${reason}` : ''}`

/** Reasons and names may come from BMCs and people: nothing in them may move a cursor. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
export const plain = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
