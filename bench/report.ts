/** Results as a Markdown table, endpoints side by side. */
import type { Result } from './measurements.ts'
import { median, short, spread } from './statistics.ts'

export interface Measured {
  label: string
  results: readonly Result[]
}

/** One row a measurement. With several endpoints the last column is the first's rate over the last's. */
export function markdownTable(measured: readonly Measured[]): string {
  const first = measured[0]
  const last = measured.at(-1)
  if (!first || !last) return ''
  const compared = measured.length > 1
  const heads = measured.flatMap(({ label }) => [`${label}: per second`, 'p50 ms', 'p99 ms'])
  const rows = first.results.map((result, index) => {
    const cells = measured.flatMap(({ results }) => cellsOf(results[index]))
    const ratio = rateOf(result) / rateOf(last.results[index])
    const name = result.unit === 'requests/s' ? result.name : `${result.name}, ${result.unit}`
    return [name, ...cells, ...(compared ? [`**${short(ratio)}**`] : [])]
  })
  const head = ['', ...heads, ...(compared ? [`${first.label} : ${last.label}`] : [])]
  const rule = head.map((_, index) => (index === 0 ? '---' : '--:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

const rateOf = (result: Result | undefined): number => median(result?.runs.map((run) => run.perSecond) ?? [])

function cellsOf(result: Result | undefined): string[] {
  if (!result) return ['', '', '']
  const { runs } = result
  const failed = runs.reduce((sum, run) => sum + run.failed, 0)
  return [
    `${spread(runs.map((run) => run.perSecond))}${failed > 0 ? `, ${failed} refused` : ''}`,
    spread(runs.map((run) => run.p50Ms)),
    spread(runs.map((run) => run.p99Ms)),
  ]
}
