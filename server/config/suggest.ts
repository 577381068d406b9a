/** Who mistypes a name is told the nearest one. */

/** The nearest name in words to go on with; empty when none is near. */
export function suggest(wrong: string, right: readonly string[]): string {
  const near = right.map((name) => [distance(wrong, name), name] as const).sort(([a], [b]) => a - b)[0]
  return near && near[0] <= 3 ? ` (did you mean ${near[1]}?)` : ''
}

/** Levenshtein's edit distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      )
    row = next
  }
  return row[b.length] ?? 0
}
