/** The states a node passes through and what moves it from one to the next: Ironic's provision state machine. */

/**
 * Kinds of state: `stable` until somebody asks; `busy` while a conductor works (the node is locked); `wait` until the
 * machine reports back, `hold` until somebody says `unhold` (both unlocked); `failed` until somebody mends it.
 */
export type StateKind = 'stable' | 'busy' | 'wait' | 'hold' | 'failed'

/** Every state, its kind, and where a node in it is going (`target_provision_state`; the first when it may vary). */
export const states = {
  enroll: { kind: 'stable', targets: [] },
  verifying: { kind: 'busy', targets: ['manageable'] },
  manageable: { kind: 'stable', targets: [] },
  available: { kind: 'stable', targets: [] },
  active: { kind: 'stable', targets: [] },
  rescue: { kind: 'stable', targets: [] },
  error: { kind: 'stable', targets: [] },
  deploying: { kind: 'busy', targets: ['active'] },
  'wait call-back': { kind: 'wait', targets: ['active'] },
  'deploy hold': { kind: 'hold', targets: ['active'] },
  'deploy failed': { kind: 'failed', targets: ['active'] },
  deleting: { kind: 'busy', targets: ['available', 'manageable'] },
  cleaning: { kind: 'busy', targets: ['available', 'manageable'] },
  'clean wait': { kind: 'wait', targets: ['available', 'manageable'] },
  'clean hold': { kind: 'hold', targets: ['available', 'manageable'] },
  'clean failed': { kind: 'failed', targets: ['available', 'manageable'] },
  inspecting: { kind: 'busy', targets: ['manageable'] },
  'inspect wait': { kind: 'wait', targets: ['manageable'] },
  'inspect failed': { kind: 'failed', targets: ['manageable'] },
  adopting: { kind: 'busy', targets: ['active'] },
  'adopt failed': { kind: 'failed', targets: ['active'] },
  rescuing: { kind: 'busy', targets: ['rescue'] },
  'rescue wait': { kind: 'wait', targets: ['rescue'] },
  'rescue failed': { kind: 'failed', targets: ['rescue'] },
  unrescuing: { kind: 'busy', targets: ['active'] },
  'unrescue failed': { kind: 'failed', targets: ['active'] },
  servicing: { kind: 'busy', targets: ['active'] },
  'service wait': { kind: 'wait', targets: ['active'] },
  'service hold': { kind: 'hold', targets: ['active'] },
  'service failed': { kind: 'failed', targets: ['active'] },
} as const satisfies Record<string, { kind: StateKind; targets: readonly string[] }>

export type State = keyof typeof states

/** What a caller may ask for: `target` of `PUT /v1/nodes/N/states/provision`. */
export const verbs = [
  'manage',
  'provide',
  'clean',
  'inspect',
  'adopt',
  'active',
  'deploy',
  'rebuild',
  'deleted',
  'undeploy',
  'rescue',
  'unrescue',
  'service',
  'abort',
  'unhold',
] as const
export type Verb = (typeof verbs)[number]

/** Verbs, less their second names. */
export type MainVerb = Exclude<Verb, 'deploy' | 'undeploy'>
/** What happens in the service itself; `next` is the second half of a tear-down, the cleaning. */
export type InternalEvent = 'done' | 'fail' | 'wait' | 'resume' | 'hold' | 'next'

export interface Transition {
  readonly event: MainVerb | InternalEvent
  readonly from: readonly State[]
  readonly to: State
}

/** The whole machine. Where an event has two rows for one state, the node's target decides: `nextState`. */
export const transitions = [
  { event: 'manage', from: ['enroll'], to: 'verifying' },
  { event: 'done', from: ['verifying'], to: 'manageable' },
  { event: 'fail', from: ['verifying'], to: 'enroll' },
  {
    event: 'manage',
    from: ['available', 'clean failed', 'inspect failed', 'adopt failed'],
    to: 'manageable',
  },

  { event: 'provide', from: ['manageable'], to: 'cleaning' },
  { event: 'clean', from: ['manageable'], to: 'cleaning' },
  { event: 'done', from: ['cleaning'], to: 'available' },
  { event: 'done', from: ['cleaning'], to: 'manageable' },
  { event: 'wait', from: ['cleaning'], to: 'clean wait' },
  { event: 'resume', from: ['clean wait'], to: 'cleaning' },
  { event: 'hold', from: ['cleaning', 'clean wait'], to: 'clean hold' },
  { event: 'unhold', from: ['clean hold'], to: 'clean wait' },
  { event: 'fail', from: ['cleaning', 'clean wait', 'clean hold'], to: 'clean failed' },
  { event: 'abort', from: ['clean wait', 'clean hold'], to: 'clean failed' },

  { event: 'inspect', from: ['manageable', 'inspect failed'], to: 'inspecting' },
  { event: 'done', from: ['inspecting'], to: 'manageable' },
  { event: 'wait', from: ['inspecting'], to: 'inspect wait' },
  { event: 'resume', from: ['inspect wait'], to: 'inspecting' },
  { event: 'fail', from: ['inspecting', 'inspect wait'], to: 'inspect failed' },
  { event: 'abort', from: ['inspect wait'], to: 'inspect failed' },

  { event: 'adopt', from: ['manageable', 'adopt failed'], to: 'adopting' },
  { event: 'done', from: ['adopting'], to: 'active' },
  { event: 'fail', from: ['adopting'], to: 'adopt failed' },

  { event: 'active', from: ['available', 'deploy failed'], to: 'deploying' },
  { event: 'rebuild', from: ['active', 'deploy failed', 'error'], to: 'deploying' },
  { event: 'done', from: ['deploying'], to: 'active' },
  { event: 'wait', from: ['deploying'], to: 'wait call-back' },
  { event: 'resume', from: ['wait call-back'], to: 'deploying' },
  { event: 'hold', from: ['deploying', 'wait call-back'], to: 'deploy hold' },
  { event: 'unhold', from: ['deploy hold'], to: 'wait call-back' },
  { event: 'fail', from: ['deploying', 'wait call-back', 'deploy hold'], to: 'deploy failed' },
  { event: 'abort', from: ['wait call-back', 'deploy hold'], to: 'deploy failed' },

  {
    event: 'deleted',
    from: [
      'active',
      'error',
      'wait call-back',
      'deploy failed',
      'rescue',
      'rescue wait',
      'rescue failed',
      'unrescue failed',
      'service wait',
      'service failed',
    ],
    to: 'deleting',
  },
  { event: 'next', from: ['deleting'], to: 'cleaning' },
  { event: 'fail', from: ['deleting'], to: 'error' },

  {
    event: 'rescue',
    from: ['active', 'rescue', 'rescue failed', 'unrescue failed', 'service failed'],
    to: 'rescuing',
  },
  { event: 'done', from: ['rescuing'], to: 'rescue' },
  { event: 'wait', from: ['rescuing'], to: 'rescue wait' },
  { event: 'resume', from: ['rescue wait'], to: 'rescuing' },
  { event: 'fail', from: ['rescuing', 'rescue wait'], to: 'rescue failed' },
  { event: 'abort', from: ['rescue wait'], to: 'rescue failed' },
  { event: 'unrescue', from: ['rescue', 'rescue failed', 'unrescue failed'], to: 'unrescuing' },
  { event: 'done', from: ['unrescuing'], to: 'active' },
  { event: 'fail', from: ['unrescuing'], to: 'unrescue failed' },

  { event: 'service', from: ['active', 'service failed', 'service hold'], to: 'servicing' },
  { event: 'done', from: ['servicing'], to: 'active' },
  { event: 'wait', from: ['servicing'], to: 'service wait' },
  { event: 'resume', from: ['service wait'], to: 'servicing' },
  { event: 'hold', from: ['servicing', 'service wait'], to: 'service hold' },
  { event: 'unhold', from: ['service hold'], to: 'service wait' },
  { event: 'fail', from: ['servicing', 'service wait', 'service hold'], to: 'service failed' },
  { event: 'abort', from: ['service wait', 'service hold'], to: 'service failed' },
  { event: 'abort', from: ['service failed'], to: 'active' },
] as const satisfies readonly Transition[]

/** Whether a word is one of the states, as rows of the database and filters have them. */
export const isState = (word: string): word is State => Object.hasOwn(states, word)

/** Whether a word is one of the verbs. */
export const isVerb = (word: string): word is Verb => (verbs as readonly string[]).includes(word)

/** `deploy` is `active`, and `undeploy` is `deleted`. */
export const mainVerb = (verb: Verb): MainVerb =>
  verb === 'deploy' ? 'active' : verb === 'undeploy' ? 'deleted' : verb

/**
 * The state that an event leads to, or null when it is not possible from there. Where the table knows two ends
 * (cleaning that goes to available or to manageable), `target` chooses.
 */
export function nextState(from: string, event: Verb | InternalEvent, target?: string | null): State | null {
  const ends = endsOf(from, isVerb(event) ? mainVerb(event) : event)
  return ends.find((to) => to === target) ?? ends[0] ?? null
}

/** Whether the verb is possible from a state, whatever else stands in its way. */
export const isPossible = (from: string, verb: Verb): boolean => nextState(from, verb) !== null

/** Whether a node in this state counts as moving: its provision state is about to change by itself. */
export const isMoving = (state: string): boolean =>
  isState(state) && (states[state].kind === 'busy' || states[state].kind === 'wait')

/** States of one kind. */
export const statesOf = (kind: StateKind): State[] =>
  (Object.keys(states) as State[]).filter((state) => states[state].kind === kind)

/**
 * `target_provision_state` of a node that enters a state: null where it rests, what it had before while that still
 * is a possible end, else the state's usual end.
 */
export function targetIn(state: State, before: string | null): State | null {
  const targets: readonly State[] = states[state].targets
  return targets.find((target) => target === before) ?? targets[0] ?? null
}

function endsOf(from: string, event: MainVerb | InternalEvent): State[] {
  return (transitions as readonly Transition[])
    .filter((row) => row.event === event && (row.from as readonly string[]).includes(from))
    .map((row) => row.to)
}
