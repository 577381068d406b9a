/** Reads a check string of the oslo.policy language, or the list of lists that came before it, into a tree. */
import type { Check, Left, Template } from './check.ts'
import { PolicySyntaxError } from './errors.ts'

/** How deep brackets and `not` may be nested. */
export const maxNesting = 64

/** A check as it stands in a policy file: text, or a list (any of) of lists (all of) of single checks. */
export type CheckSource = string | readonly (string | readonly string[])[]

/**
 * Parses one rule's check. The empty string and the empty list hold for everybody. `and` binds tighter than `or`,
 * `not` tightest; the three words may be written in any case.
 *
 * Unlike oslo.policy, which turns what it cannot read into "never" and a log line, this refuses it.
 *
 * @param rule name of the rule, for the error
 * @throws PolicySyntaxError
 */
export function parseCheck(source: CheckSource, rule = 'check'): Check {
  if (typeof source !== 'string') return parseLists(source, rule)
  if (source === '') return { kind: 'always' }
  const tokens = tokenize(source, rule)
  const parser: Parser = { tokens, position: 0, rule }
  const check = parseAny(parser, 0)
  const rest = peek(parser)
  if (rest.type !== 'end') throw unexpected(parser, 'expected "and", "or" or the end')
  return check
}

type Token =
  | { readonly type: '(' | ')' | 'and' | 'or' | 'not' | 'end'; readonly column: number }
  | { readonly type: 'check'; readonly check: Check; readonly column: number }

interface Parser {
  readonly tokens: readonly Token[]
  position: number
  readonly rule: string
}

const peek = (parser: Parser): Token => parser.tokens[parser.position] as Token

const parseAny = (parser: Parser, depth: number): Check =>
  parseJoined(parser, 'or', () => parseJoined(parser, 'and', () => parseOne(parser, depth)))

function parseJoined(parser: Parser, word: 'and' | 'or', operand: () => Check): Check {
  const first = operand()
  if (peek(parser).type !== word) return first
  const checks = [first]
  while (peek(parser).type === word) {
    parser.position += 1
    checks.push(operand())
  }
  return { kind: word, checks }
}

function parseOne(parser: Parser, depth: number): Check {
  const token = peek(parser)
  if (depth > maxNesting) {
    throw new PolicySyntaxError(
      parser.rule,
      token.column,
      `nested deeper than ${maxNesting} levels: move a part into a rule of its own and use rule:NAME`,
    )
  }
  if (token.type === 'check') {
    parser.position += 1
    return token.check
  }
  if (token.type === 'not') {
    parser.position += 1
    return { kind: 'not', check: parseOne(parser, depth + 1) }
  }
  if (token.type === '(') {
    parser.position += 1
    const inner = parseAny(parser, depth + 1)
    if (peek(parser).type !== ')')
      throw unexpected(parser, `expected ")" for the "(" at column ${token.column}`)
    parser.position += 1
    return inner
  }
  throw unexpected(parser, 'expected a check such as role:reader')
}

function unexpected(parser: Parser, expected: string): PolicySyntaxError {
  const token = peek(parser)
  const found = { end: 'the end', check: 'another check' }[token.type as string] ?? `"${token.type}"`
  return new PolicySyntaxError(parser.rule, token.column, `${expected}, found ${found}`)
}

function tokenize(text: string, rule: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    const character = text[at] as string
    const column = at + 1
    if (/\s/.test(character)) {
      at += 1
    } else if (character === '(' || character === ')') {
      tokens.push({ type: character, column })
      at += 1
    } else {
      const end = endOfWord(text, at, rule)
      tokens.push(tokenOf(text.slice(at, end), column, rule))
      at = end
    }
  }
  tokens.push({ type: 'end', column: text.length + 1 })
  return tokens
}

/** A word ends at white space or a bracket, but a leading quoted literal and each `%(key)` belong to it whole. */
function endOfWord(text: string, start: number, rule: string): number {
  let at = start
  const quote = text[start]
  if (quote === "'" || quote === '"') {
    const closing = text.indexOf(quote, start + 1)
    if (closing < 0) throw new PolicySyntaxError(rule, start + 1, `the quote ${quote} is not closed`)
    at = closing + 1
  }
  while (at < text.length && !/[\s()]/.test(text[at] as string)) {
    if (text.startsWith('%%', at)) {
      at += 2
    } else if (text.startsWith('%(', at)) {
      const closing = text.indexOf(')', at)
      if (closing < 0)
        throw new PolicySyntaxError(rule, at + 1, 'the target key "%(" is not closed with ")s"')
      at = closing + 1
    } else {
      at += 1
    }
  }
  return at
}

function tokenOf(word: string, column: number, rule: string): Token {
  const lowered = word.toLowerCase()
  if (lowered === 'and' || lowered === 'or' || lowered === 'not') return { type: lowered, column }
  return { type: 'check', check: parseLeaf(word, column, rule), column }
}

/** One check without brackets: `@`, `!` or KIND:VALUE. */
function parseLeaf(word: string, column: number, rule: string): Check {
  if (word === '@') return { kind: 'always' }
  if (word === '!') return { kind: 'never' }
  const quote = word[0] === "'" || word[0] === '"' ? word[0] : undefined
  const colon = quote === undefined ? word.indexOf(':') : word.indexOf(quote, 1) + 1
  if (word[colon] !== ':') {
    const remedy = 'write KIND:VALUE, for example role:reader, rule:NAME or project_id:%(node.owner)s'
    throw new PolicySyntaxError(rule, column, `${JSON.stringify(word)} is not a check: ${remedy}`)
  }
  const kind = word.slice(0, colon)
  const value = word.slice(colon + 1)
  const valueColumn = column + colon + 1
  if (value === '') throw new PolicySyntaxError(rule, valueColumn, `nothing stands after "${kind}:"`)
  if (/^["']/.test(value)) {
    const remedy = "a value is written without quotes; for one with spaces write 'the value':%(KEY)s"
    throw new PolicySyntaxError(rule, valueColumn, remedy)
  }
  if (kind === 'rule') return { kind: 'rule', name: value }
  if (kind === 'role') return { kind: 'role', role: parseTemplate(value, valueColumn, rule) }
  if (kind === 'http' || kind === 'https') {
    throw new PolicySyntaxError(rule, column, 'checks that ask a remote server are not supported')
  }
  const right = value === 'None' ? null : parseTemplate(value, valueColumn, rule)
  return { kind: 'compare', left: parseLeft(kind, column, rule), right }
}

function parseLeft(kind: string, column: number, rule: string): Left {
  if (/^["']/.test(kind)) return { literal: kind.slice(1, -1) }
  if (kind === 'None') return { literal: null }
  if (kind === 'True' || kind === 'False' || /^-?(0|[1-9]\d*)(\.\d+)?$/.test(kind)) return { literal: kind }
  if (/^[A-Za-z_][\w-]*(\.[\w-]+)*$/.test(kind)) return { credential: kind }
  const remedy = "use a credential's name, a number, True, False, None or a 'quoted literal'"
  throw new PolicySyntaxError(rule, column, `${JSON.stringify(kind)} cannot stand before ":": ${remedy}`)
}

/** `%(key)s` is the target's value, `%%` a percent sign, all else stands for itself. */
function parseTemplate(text: string, column: number, rule: string): string | Template {
  const parts: (string | { key: string })[] = []
  let literal = ''
  let at = 0
  while (at < text.length) {
    if (text[at] !== '%') {
      literal += text[at]
      at += 1
    } else if (text[at + 1] === '%') {
      literal += '%'
      at += 2
    } else {
      const key = /^%\(([^\s()%]+)\)s/.exec(text.slice(at))?.[1]
      if (key === undefined) {
        throw new PolicySyntaxError(rule, column + at, 'write a target key as %(KEY)s, a percent sign as %%')
      }
      if (literal !== '') parts.push(literal)
      literal = ''
      parts.push({ key })
      at += key.length + '%()s'.length
    }
  }
  if (parts.length === 0) return literal
  return literal === '' ? parts : [...parts, literal]
}

/** The syntax of old policy.json files: `[["role:admin"], ["role:member", "project_id:%(node.owner)s"]]`. */
function parseLists(lists: readonly (string | readonly string[])[], rule: string): Check {
  if (lists.length === 0) return { kind: 'always' }
  const alternatives = lists
    .map((inner) => (typeof inner === 'string' ? [inner] : inner))
    .filter((inner) => inner.length > 0)
    .map((inner) =>
      join(
        'and',
        inner.map((text) => parseSingle(text, rule)),
      ),
    )
  return alternatives.length === 0 ? { kind: 'never' } : join('or', alternatives)
}

const join = (kind: 'and' | 'or', checks: readonly Check[]): Check =>
  checks.length === 1 ? (checks[0] as Check) : { kind, checks }

function parseSingle(text: string, rule: string): Check {
  const [token, end] = tokenize(text, rule)
  if (token?.type === 'check' && end?.type === 'end') return token.check
  throw new PolicySyntaxError(
    rule,
    1,
    `${JSON.stringify(text)}: a list holds single checks such as "role:admin"`,
  )
}
