/**
 * Regular expressions of rules over what machines report. JavaScript's engine may take for ever with some pairs of
 * the two, so each match has a time limit, and all of an inspection have one together.
 */
import { createContext, Script } from 'node:vm'
import { type Budget, InspectionRuleError, spend } from './budget.ts'

const longestRegex = 1_000
const longestText = 65_536
const matchMs = 200

/**
 * Whether a text has a match, or with `whole` is one.
 * @throws InspectionRuleError for what is no regular expression, is too long, or takes too long.
 */
export function matches(regex: unknown, text: string, whole: boolean, budget: Budget): boolean {
  const { source, flags } = translated(regex)
  if (text.length > longestText)
    throw new InspectionRuleError(`a text of ${text.length} characters is too long to be matched`)
  const begun = performance.now()
  Object.assign(sandbox, { source: whole ? `^(?:${source})$` : source, flags, text })
  try {
    return match.runInContext(sandbox, { timeout: Math.max(1, Math.min(matchMs, Math.ceil(budget.regexMs))) })
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw refused(regex, error)
    throw new InspectionRuleError(
      `the regular expression ${JSON.stringify(regex)} takes too long; write it without nested repetitions`,
    )
  } finally {
    sandbox.text = ''
    spend(budget, 'regexMs', performance.now() - begun)
  }
}

/** @throws InspectionRuleError for what is no regular expression. */
export function checkRegex(regex: unknown): void {
  const { source, flags } = translated(regex)
  try {
    new RegExp(source, flags)
  } catch (error) {
    throw refused(regex, error)
  }
}

const sandbox: Record<string, unknown> = createContext(Object.create(null), {
  codeGeneration: { strings: false, wasm: false },
})
const match = new Script('new RegExp(source, flags).test(text)')

/** Python's way of writing to JavaScript's: leading flags, named groups, the ends of the text. */
function translated(regex: unknown): { source: string; flags: string } {
  if (typeof regex !== 'string') throw new InspectionRuleError('"regex" must be text')
  if (regex.length > longestRegex)
    throw new InspectionRuleError(`a regular expression has at most ${longestRegex} characters`)
  const [, flags = '', rest = regex] = /^\(\?([ims]+)\)(.*)$/s.exec(regex) ?? []
  const source = rest
    .replaceAll('(?P<', '(?<')
    .replace(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replace(/\\(.)/gs, (written, letter: string) => (letter === 'A' ? '^' : letter === 'Z' ? '$' : written))
  return { source, flags: [...new Set(flags)].join('') }
}

const refused = (regex: unknown, error: unknown): InspectionRuleError =>
  new InspectionRuleError(
    `invalid regular expression ${JSON.stringify(regex)}: ${error instanceof Error ? error.message : String(error)}`,
  )
