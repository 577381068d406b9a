/** Refuses rules that name attributes nothing has: a misspelt key would fail for everybody without a word. */
import { type Check, keysOf } from './check.ts'
import { PolicyError } from './errors.ts'

/** Names that may stand in rules: credentials before the colon, target keys inside `%( )s`. */
export interface Attributes {
  readonly credentials: readonly string[]
  readonly target: readonly string[]
}

/** An attribute a check names that is not among those known, with the known one most like it. */
export interface UnknownAttribute {
  readonly kind: 'credential' | 'target key'
  readonly name: string
  readonly nearest: string | undefined
}

/** Finds the attributes a check names that are not known. A target also has a copy of the credentials. */
export function unknownAttributes(check: Check, attributes: Attributes): UnknownAttribute[] {
  switch (check.kind) {
    case 'role':
      return unknownKeys(keysOf(check.role), attributes)
    case 'compare':
      return [
        ...('credential' in check.left ? unknownCredential(check.left.credential, attributes) : []),
        ...unknownKeys(keysOf(check.right), attributes),
      ]
    case 'not':
      return unknownAttributes(check.check, attributes)
    case 'and':
    case 'or':
      return check.checks.flatMap((inner) => unknownAttributes(inner, attributes))
    default:
      return []
  }
}

/** @throws PolicyError for the first attribute that is not known */
export function checkAttributes(rule: string, check: Check, attributes: Attributes): void {
  const [unknown] = unknownAttributes(check, attributes)
  if (unknown === undefined) return
  const known = unknown.kind === 'credential' ? attributes.credentials : attributes.target
  const remedy =
    unknown.nearest === undefined ? `known are ${known.join(', ')}` : `is "${unknown.nearest}" meant?`
  throw new PolicyError(rule, `there is no ${unknown.kind} "${unknown.name}": ${remedy}`)
}

/** The candidate that needs the fewest letters changed, if that is at most a third of them. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const word = name.slice(0, 200)
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate.slice(0, 200)) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best !== undefined && best.distance * 3 <= word.length ? best.candidate : undefined
}

function unknownCredential(name: string, { credentials }: Attributes): UnknownAttribute[] {
  return credentials.includes(name) ? [] : [{ kind: 'credential', name, nearest: nearest(name, credentials) }]
}

function unknownKeys(keys: readonly string[], { credentials, target }: Attributes): UnknownAttribute[] {
  return keys
    .filter((key) => !target.includes(key) && !credentials.includes(key))
    .map((name) => ({ kind: 'target key', name, nearest: nearest(name, [...target, ...credentials]) }))
}

/** Levenshtein's distance: insertions, deletions and replacements, one row of the table at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1]
    for (let j = 0; j < to.length; j += 1) {
      const replaced = (row[j] as number) + (letter === to[j] ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] as number) + 1, (next[j] as number) + 1))
    }
    row = next
  }
  return row[to.length] as number
}
