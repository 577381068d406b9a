/** Cumulus Linux over NVUE: a revision is patched, applied as a whole, and watched until it is in force. */
import { forbiddenDescription } from '../cli/config.ts'
import { SwitchError } from '../errors.ts'
import { orderedSteps } from '../steps.ts'
import type { RestReply, RestRequest } from '../transports/rest.ts'
import type { Dialect, SwitchState, SwitchTarget, Verdict } from '../types.ts'
import { lagName, normalisePort, parseTrees, stateOf, type Trees } from './parse.ts'
import { type Patch, render, restore } from './render.ts'

/**
 * `target.settings.domain` names the bridge, `br_default` if absent.
 *
 * @throws SwitchError 'invalid'
 */
export function nvue(target: SwitchTarget): Dialect<RestRequest, RestReply> {
  const domain = target.settings?.domain ?? 'br_default'
  if (!/^[A-Za-z0-9_-]{1,15}$/.test(domain))
    throw new SwitchError('invalid', `settings.domain is no name of a bridge: ${JSON.stringify(domain)}`)
  /** What a state was read from: to put it back, all of it is needed. */
  const treesOf = new WeakMap<SwitchState, Trees>()
  const treesFor = (state: SwitchState): Trees => {
    const trees = treesOf.get(state)
    if (trees === undefined)
      throw new SwitchError('invalid', 'only a state that this dialect has read can be written about')
    return trees
  }
  return {
    name: 'cumulus-nvue',
    capabilities: {
      // A VLAN is in the bridge as soon as a port is in the VLAN; it has no name.
      vlans: 'implicit',
      lag: true,
      lacpPassive: false,
      multiChassis: false,
      stpEdge: true,
      mtu: true,
      description: true,
      // A revision is applied as a whole, but one that fails half way is looked at and put back like anything else.
      transaction: false,
      save: true,
    },
    normalisePort,
    lagName,
    readRequests: () => [
      // What is just being applied would make a lie of everything read before it is done.
      { ...get('/revision'), again: ({ text }) => statesIn(text).some((state) => moving.test(state)) },
      get('/interface?rev=operational'),
      get('/interface?rev=applied'),
      get('/bridge/domain?rev=applied'),
    ],
    parseState: (replies) => {
      const trees = parseTrees(
        replies.slice(1).map(({ text }) => text),
        domain,
      )
      const state = stateOf(trees, domain)
      treesOf.set(state, trees)
      return state
    },
    diff: (state, wanted) => orderedSteps(state, wanted, lagName),
    render: (steps) => (steps.length === 0 ? [] : revision(render(steps, domain))),
    restore: (before, now, touched) => {
      const patches = restore(treesFor(before), treesFor(now), touched, domain)
      return patches.length === 0 ? [] : revision(patches)
    },
    classify,
    forbidden: (_port, intent) => forbiddenDescription(intent),
    forbiddenVlan: () => null,
    saveRequests: () => [
      change('PATCH', '/revision/applied', { state: 'save', ...yes }),
      {
        ...get('/revision/applied'),
        again: ({ text }) => statesIn(text).some((state) => saving.test(state)),
      },
    ],
  }
}

/** Nobody is there to be asked whether they are sure. */
const yes = { 'auto-prompt': { ays: 'ays_yes', ignore_fail: 'ignore_fail_no' } }
const moving = /^(apply|applying|checking|checked|ready|reloading|verifying|confirm)$/
const saving = /^(save|saving|auto_save|auto_saving)$/

function revision(patches: readonly Patch[]): RestRequest[] {
  return [
    { ...change('POST', '/revision'), keep: 'revision' },
    ...patches.map(({ path, body, port }) => ({
      ...change('PATCH', `${path}?rev={revision}`, body, path),
      ...(port === undefined ? {} : { port }),
    })),
    change('PATCH', '/revision/{revision}', { state: 'apply', ...yes }),
    {
      ...get('/revision/{revision}'),
      again: ({ text, status }) => status < 300 && statesIn(text).some((state) => moving.test(state)),
    },
  ]
}

function get(path: string): RestRequest {
  return { line: `GET ${path}`, method: 'GET', path }
}
function change(method: 'POST' | 'PATCH', path: string, body: unknown = {}, said = path): RestRequest {
  return { line: `${method} ${said} ${JSON.stringify(body)}`, method, path, body }
}

/** The state of one revision, or of each in a list of them. */
function statesIn(json: string): string[] {
  const body = parsed(json)
  const own = typeof body.state === 'string' ? [body] : Object.values(body)
  return own.flatMap((one) => {
    const { state } = (one ?? {}) as { state?: unknown }
    return typeof state === 'string' ? [state] : []
  })
}

function classify({ line, text, status }: RestReply): Verdict {
  const body = parsed(text)
  if (status === 409 || status === 423 || status === 503) return { is: 'retry', reply: wordsOf(body, text) }
  if (status >= 300) return { is: 'error', reply: wordsOf(body, text) || `HTTP ${status}` }
  if (!/^(GET|PATCH) \/revision\//.test(line)) return { is: 'ok' }
  const [state = ''] = statesIn(text)
  if (/invalid|fail|error|_no$/.test(state)) return { is: 'error', reply: issueOf(body) ?? `it is ${state}` }
  // The last word on a revision must be that it is in force, not merely that it is no failure.
  const final = line.startsWith('GET ') && !/^(applied|saved|applied_and_saved)$/.test(state)
  return final ? { is: 'error', reply: `it is "${state}", neither applied nor failed` } : { is: 'ok' }
}

function issueOf({ transition }: Body): string | undefined {
  const { issue = {} } = (transition ?? {}) as { issue?: Record<string, { message?: string }> }
  const words = Object.values(issue).map(({ message }) => message?.trim() ?? '')
  return words.filter((word) => word !== '').join('; ') || undefined
}

function wordsOf(body: Body, text: string): string {
  for (const key of ['detail', 'message', 'title']) if (typeof body[key] === 'string') return body[key]
  return text.slice(0, 200)
}

type Body = Readonly<Record<string, unknown>>

function parsed(json: string): Body {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? (value as Body) : {}
  } catch {
    return {}
  }
}
