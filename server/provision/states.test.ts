import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mermaidDiagram, stateTable } from './diagram.ts'
import {
  isPossible,
  nextState,
  type State,
  states,
  statesOf,
  type Transition,
  targetIn,
  transitions,
  type Verb,
  verbs,
} from './states.ts'

/** Ironic's table of verbs, written down from its documentation rather than from the code. */
const reference: readonly [Verb, string, string][] = [
  ['manage', 'enroll', 'verifying'],
  ['manage', 'available, clean failed, inspect failed, adopt failed', 'manageable'],
  ['provide', 'manageable', 'cleaning'],
  ['clean', 'manageable', 'cleaning'],
  ['inspect', 'manageable, inspect failed', 'inspecting'],
  ['adopt', 'manageable, adopt failed', 'adopting'],
  ['active', 'available, deploy failed', 'deploying'],
  ['deploy', 'available, deploy failed', 'deploying'],
  ['rebuild', 'active, deploy failed, error', 'deploying'],
  ...(['deleted', 'undeploy'] as const).map(
    (verb) =>
      [
        verb,
        'active, error, wait call-back, deploy failed, rescue, rescue wait, rescue failed, unrescue failed, service wait, service failed',
        'deleting',
      ] as [Verb, string, string],
  ),
  ['rescue', 'active, rescue, rescue failed, unrescue failed, service failed', 'rescuing'],
  ['unrescue', 'rescue, rescue failed, unrescue failed', 'unrescuing'],
  ['service', 'active, service failed, service hold', 'servicing'],
  ['abort', 'clean wait, clean hold', 'clean failed'],
  ['abort', 'inspect wait', 'inspect failed'],
  ['abort', 'wait call-back, deploy hold', 'deploy failed'],
  ['abort', 'rescue wait', 'rescue failed'],
  ['abort', 'service wait, service hold', 'service failed'],
  ['abort', 'service failed', 'active'],
  ['unhold', 'clean hold', 'clean wait'],
  ['unhold', 'deploy hold', 'wait call-back'],
  ['unhold', 'service hold', 'service wait'],
]
const ends: readonly [string, string, string][] = [
  // state, done, failed
  ['verifying', 'manageable', 'enroll'],
  ['deploying', 'active', 'deploy failed'],
  ['inspecting', 'manageable', 'inspect failed'],
  ['adopting', 'active', 'adopt failed'],
  ['rescuing', 'rescue', 'rescue failed'],
  ['unrescuing', 'active', 'unrescue failed'],
  ['servicing', 'active', 'service failed'],
  ['cleaning', 'available', 'clean failed'],
]
const targets: Record<string, string[]> = {
  'enroll, manageable, available, active, rescue, error': [],
  verifying: ['manageable'],
  'deploying, wait call-back, deploy hold, deploy failed': ['active'],
  'deleting, cleaning, clean wait, clean hold, clean failed': ['available', 'manageable'],
  'inspecting, inspect wait, inspect failed': ['manageable'],
  'adopting, adopt failed, unrescuing, unrescue failed': ['active'],
  'rescuing, rescue wait, rescue failed': ['rescue'],
  'servicing, service wait, service hold, service failed': ['active'],
}
const everyState = Object.keys(states) as State[]
const rows: readonly Transition[] = transitions

describe('the table', () => {
  it('lets every verb through from where Ironic does, and from nowhere else', () => {
    for (const verb of verbs)
      for (const state of everyState) {
        const row = reference.find(([each, from]) => each === verb && from.split(', ').includes(state))
        expect(nextState(state, verb), `${verb} from ${state}`).toBe(row?.[2] ?? null)
        expect(isPossible(state, verb)).toBe(row !== undefined)
      }
  })

  it('ends each busy state where Ironic does', () => {
    for (const [state, done, failed] of ends) {
      expect(nextState(state, 'done')).toBe(done)
      expect(nextState(state, 'fail')).toBe(failed)
    }
    expect(nextState('cleaning', 'done', 'manageable')).toBe('manageable')
    expect(nextState('cleaning', 'done', 'available')).toBe('available')
    expect(nextState('deleting', 'fail')).toBe('error')
    expect(nextState('deleting', 'next')).toBe('cleaning')
  })

  it('has the target of each state as Ironic has it', () => {
    const known = Object.entries(targets).flatMap(([names, target]) =>
      names.split(', ').map((name) => [name, target] as const),
    )
    expect(known.map(([name]) => name).sort()).toEqual([...everyState].sort())
    for (const [name, target] of known) expect(states[name as State].targets, name).toEqual(target)
  })

  it('knows nothing of unknown states and verbs', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...verbs), (word, verb) => {
        fc.pre(!everyState.includes(word as State))
        expect(nextState(word, verb)).toBeNull()
      }),
    )
    expect(isPossible('__proto__', 'manage')).toBe(false)
  })
})

describe('the machine as a whole', () => {
  it('reaches every state from enroll', () => {
    const reached = new Set<State>(['enroll'])
    for (let before = 0; before !== reached.size; ) {
      before = reached.size
      for (const row of rows) if (row.from.some((from) => reached.has(from))) reached.add(row.to)
    }
    // `error` and the rest: nothing is there that cannot happen.
    expect([...reached].sort()).toEqual([...everyState].sort())
  })

  it('has a way out of every busy state when its work is done, and when it fails', () => {
    for (const state of statesOf('busy')) {
      expect(nextState(state, 'done') ?? nextState(state, 'next'), state).not.toBeNull()
      expect(nextState(state, 'fail'), state).not.toBeNull()
    }
  })

  it('has a way out of every wait by itself, by time and by hand, and of every hold by hand', () => {
    for (const state of statesOf('wait')) {
      expect(states[nextState(state, 'resume') as State].kind, state).toBe('busy')
      expect(nextState(state, 'fail'), state).toBe(nextState(state, 'abort'))
    }
    for (const state of statesOf('hold'))
      for (const verb of ['unhold', 'abort'] as const)
        expect(nextState(state, verb), `${state} ${verb}`).not.toBeNull()
  })

  it('lets callers out of every state that is not busy', () => {
    for (const state of everyState)
      if (states[state].kind !== 'busy')
        expect(
          verbs.some((verb) => isPossible(state, verb)),
          state,
        ).toBe(true)
  })

  it('never leaves a node without a target while it moves, whatever happens to it', () => {
    const event = fc.nat({ max: rows.length - 1 })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.boolean(), (choices, retired) => {
        let state: State = 'enroll'
        let target: State | null = null
        for (const choice of choices) {
          const possible = rows.filter((row) => row.from.includes(state))
          const row = possible[choice % possible.length] as Transition
          const to: State = nextState(state, row.event, target) as State
          target = targetIn(to, row.event === 'deleted' && retired ? 'manageable' : target)
          state = to
          expect(states[state]).toBeDefined()
          if (states[state].kind === 'stable') expect(target).toBeNull()
          else expect(states[state].targets).toContain(target)
        }
      }),
    )
  })
})

it('docs/provisioning.md shows the machine as it is', async () => {
  const page = await readFile(new URL('../../docs/provisioning.md', import.meta.url), 'utf8')
  expect(page, 'run: node server/provision/draw.ts').toContain(mermaidDiagram())
  expect(page, 'run: node server/provision/draw.ts').toContain(stateTable())
})
