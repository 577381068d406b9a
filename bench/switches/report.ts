/** Runs of attaching, as a Markdown table. */
import { median, short, spread } from '../statistics.ts'
import type { Attached } from './subjects.ts'
import type { Outcome } from './target.ts'

export type Run = Attached & Outcome
export type Measured = { label: string; runs: readonly Run[] }

/** One row a subject; the last column is how many times as long it took as the first. */
export function attachTable(measured: readonly Measured[], ports: number): string {
  const secondsOf = ({ runs }: Measured) => runs.map(({ seconds }) => seconds)
  const first = measured[0]
  const rows = measured.map((one) => {
    const each = (value: (run: Run) => number) => range(one.runs.map(value))
    const ratio = first ? median(secondsOf(one)) / median(secondsOf(first)) : Number.NaN
    return [
      one.label,
      spread(secondsOf(one)),
      each(({ logins }) => logins),
      each(({ saves }) => saves),
      each(({ right }) => right),
      each(({ rightWhenRestarted }) => rightWhenRestarted),
      each(({ errors }) => errors.length),
      `**${short(ratio)}**`,
    ]
  })
  const head = [
    `${ports} ports`,
    'seconds',
    'sessions',
    'saves',
    'ports right',
    'after a restart',
    'calls failed',
    'times ours',
  ]
  const rule = head.map((_, index) => (index === 0 ? '---' : '--:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** What was the same in all runs is said once. */
function range(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return least === most ? String(least) : `${least}–${most}`
}
