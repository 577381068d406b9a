/** Access rules of application credentials: the requests that a token may be used for. */

/**
 * One permitted kind of request. In `path`, `*` and `{name}` stand for one character or more within a segment, `**`
 * for any text.
 */
export interface AccessRule {
  service: string
  method: string
  path: string
}

/** Whether one of the rules permits the request. */
export function allows(
  rules: readonly AccessRule[],
  request: { service: string; method: string; path: string },
): boolean {
  return rules.some(
    (rule) =>
      rule.service === request.service &&
      rule.method.toUpperCase() === request.method.toUpperCase() &&
      matches(piecesOf(rule.path), request.path),
  )
}

/** A pattern is a row of single characters, '*' (also for `{name}`) and '**'. */
const piecesOf = (pattern: string): string[] =>
  (pattern.match(/\{[^}]*\}|\*\*|[\s\S]/g) ?? []).map((piece) =>
    piece.length > 1 && piece !== '**' ? '*' : piece,
  )

/**
 * Follows every way to match at once, so that no pattern a tenant wrote takes more steps than its length times that
 * of the path. A place is the number of pieces that are done.
 */
function matches(pieces: readonly string[], path: string): boolean {
  let places = withSkips(pieces, new Set([0]))
  for (const character of path) {
    const next = new Set<number>()
    for (const place of places) {
      const piece = pieces[place]
      if (piece === '**') next.add(place)
      else if (piece === '*') {
        if (character !== '/') next.add(place).add(place + 1)
      } else if (piece === character) next.add(place + 1)
    }
    places = withSkips(pieces, next)
  }
  return places.has(pieces.length)
}

/** '**' may stand for nothing: from before it one is also behind it. */
function withSkips(pieces: readonly string[], places: Set<number>): Set<number> {
  // A Set is walked in the order of insertion, with what is added on the way.
  for (const place of places) if (pieces[place] === '**') places.add(place + 1)
  return places
}
