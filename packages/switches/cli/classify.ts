/** Judges what a command line prints: nothing is good, and so is what only informs. */
import type { CliReply } from '../transports/cli.ts'
import type { Verdict } from '../types.ts'

export type ReplyWords = {
  /** Lines by which the switch refuses, although they begin like ... */
  refusals: RegExp
  /** ... those that only inform. */
  informational: RegExp
  /** Saving, and what it says when it is done. */
  saved?: { line: string; says: RegExp }
}

export function verdictOf({ line, text, mode }: CliReply, words: ReplyWords): Verdict {
  const said = text.split('\n').map((one) => one.trim())
  // What a show command prints is not ours: a description may say ERROR. Only its first lines can be a refusal.
  const where = mode === 'exec' && line.startsWith('show ') ? said.slice(0, 2) : said
  const reply = where.find((one) => words.refusals.test(one) && !words.informational.test(one))
  if (reply !== undefined) {
    if (/locked|in use by|in progress|try again|busy/i.test(reply)) return { is: 'retry', reply }
    if (/authorization failed|permission denied|privilege/i.test(reply))
      return { is: 'error', code: 'auth', reply }
    return { is: 'error', reply, ...(/^interface (?!vlan)/.test(line) ? { code: 'unknown-port' } : {}) }
  }
  if (line === words.saved?.line && !words.saved.says.test(text))
    return { is: 'error', reply: text || 'the switch did not say that it saved' }
  return { is: 'ok' }
}
