/** Draws the state machine from its table, for the documentation: `npm test` says when the page has fallen behind. */
import { type State, states, type Transition, transitions } from './states.ts'

/** A Mermaid state diagram; `fail` and waits are drawn dotted by their words alone, for Mermaid knows one arrow. */
export function mermaidDiagram(): string {
  const names = Object.keys(states) as State[]
  const arrows = new Map<string, string[]>()
  for (const { event, from, to } of transitions as readonly Transition[])
    for (const state of from) {
      const arrow = `${idOf(state)} --> ${idOf(to)}`
      arrows.set(arrow, [...(arrows.get(arrow) ?? []), event])
    }
  return [
    'stateDiagram-v2',
    '  [*] --> enroll',
    ...names.filter((name) => name !== idOf(name)).map((name) => `  state "${name}" as ${idOf(name)}`),
    ...[...arrows].map(([arrow, events]) => `  ${arrow}: ${events.join(', ')}`),
    ...classes.flatMap(([kind, style]) => [
      `  classDef ${kind} ${style}`,
      `  class ${names
        .filter((name) => states[name].kind === kind)
        .map(idOf)
        .join(',')} ${kind}`,
    ]),
    '',
  ].join('\n')
}

/** One row a state: its kind, where it is going, and the verbs that are possible in it. */
export function stateTable(): string {
  const rows = (Object.keys(states) as State[]).map((name) => {
    const { kind, targets } = states[name]
    const verbs = (transitions as readonly Transition[])
      .filter(({ from, event }) => from.includes(name) && !internal.includes(event))
      .map(({ event }) => event)
    return `| ${name} | ${kind} | ${targets.join(' or ')} | ${[...new Set(verbs)].join(', ')} |`
  })
  return ['| state | kind | on its way to | verbs |', '| --- | --- | --- | --- |', ...rows, ''].join('\n')
}

const internal: readonly string[] = ['done', 'fail', 'wait', 'resume', 'hold', 'next']

const classes = [
  ['stable', 'fill:#d3f9d8,stroke:#2b8a3e'],
  ['busy', 'fill:#d0ebff,stroke:#1864ab'],
  ['wait', 'fill:#fff3bf,stroke:#e67700'],
  ['hold', 'fill:#fff3bf,stroke:#e67700,stroke-dasharray:4'],
  ['failed', 'fill:#ffe3e3,stroke:#c92a2a'],
] as const

const idOf = (state: State): string => state.replace(/[ -]/g, '_')
