/**
 * The policy matrix: every rule, asked by real requests of every kind of caller about nodes of every tenancy, and held
 * against Ironic's policy as an evaluator of its own reads it. Nothing in it is written by hand but which request asks
 * which rules.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { baremetalRoutes } from './app.ts'
import type { Route } from './baremetal/routes.ts'
import { type Credentials, holds, ruleNames, type Target } from './policy-matrix/reference.ts'
import type { Gate, Method, PolicyRequest } from './policy-matrix/request.ts'
import { beside, requests, unasked } from './policy-matrix/requests.ts'
import {
  type CallerName,
  callerNames,
  createWorld,
  type Situation,
  type World,
} from './policy-matrix/world.ts'

let world: World
let routes: ReadonlyMap<string, Route>
beforeAll(async () => {
  world = await createWorld()
  routes = new Map(baremetalRoutes(world.api.deps).map((route) => [`${route.method} ${route.path}`, route]))
})
afterAll(() => world.close())

/** Whether a rule holds for this request's caller. */
type Judge = (rule: string, target: Target) => boolean

const words = (request: PolicyRequest): string[] => [
  ...[...`${request.route}?${request.query ?? ''}`.matchAll(/:([a-z]\w*)/gi)].map(
    (match) => match[1] as string,
  ),
  ...(typeof request.body === 'function' ? ['node'] : []),
]
/** What a caller's tenancy changes nothing about needs to be asked of one situation only. */
const tenanted = ['node', 'span', 'port', 'portgroup', 'connector', 'target', 'allocation', 'runbook']
const isTenanted = (request: PolicyRequest): boolean => words(request).some((word) => tenanted.includes(word))

/** Who is asked about which: everybody about the leased, and about the others whoever could be mistaken for a tenant. */
const asking: Record<Situation['name'], readonly CallerName[]> = {
  leased: callerNames,
  owned: [
    'owner-reader',
    'owner-service',
    'lessee-admin',
    'lessee-member',
    'lessee-reader',
    'lessee-service',
  ],
  'nobody’s': ['system-manager', 'system-reader', 'system-service', 'owner-admin', 'stranger', 'service'],
}

const titleOf = ({ route, query, variant }: PolicyRequest): string =>
  `${route}${query ? `?${query}` : ''}${variant ? ` (${variant})` : ''}`

async function send(request: PolicyRequest, caller: CallerName, situation: Situation) {
  const fresh = request.kind === 'plain' ? request.fresh : undefined
  const ids: Record<string, string> = {
    ...situation.ids,
    ...(fresh ? { [fresh]: await world.fresh(fresh, situation) } : {}),
  }
  const fill = (text: string) =>
    text.replace(/:([a-z]\w*)/gi, (_, word: string) => {
      const id = request.kind === 'plain' && request.on && word === 'node' ? ids.child : ids[word]
      if (id === undefined) throw new Error(`give the situations of the world a ${word} for ${request.route}`)
      return id
    })
  const [method = '', path = ''] = request.route.split(' ')
  const query = request.query === undefined ? '' : `?${fill(request.query)}`
  const body = typeof request.body === 'function' ? request.body(ids) : request.body
  world.configure(request.config ?? {})
  return world.ask(caller, method as Method, `/v1${fill(path)}${query}`, body)
}

/** What an answer says of the rules, in words. */
function outcomeOf(
  request: PolicyRequest,
  { status, text, body }: Awaited<ReturnType<World['ask']>>,
): string {
  if (status === 401) return 'no token'
  if (status === 403) return `403 ${/resource: ([\w:]+)/.exec(text)?.[1]}`
  if (request.kind === 'plain' && request.passes.includes(status)) return 'passes'
  if (request.gates.some((gate) => gate.no === status)) return String(status)
  if (status !== 200) return `${status} ${text}`
  if (request.kind === 'field') {
    const found = request.field.reduce<unknown>(
      (value, name) => (value as Record<string, unknown> | undefined)?.[name],
      body,
    )
    return found === request.value ? 'shown' : 'not shown'
  }
  if (request.kind === 'plain') return `${status} ${text}`
  const list = Object.values(body as Record<string, unknown>).find(Array.isArray) as unknown[]
  const uuids = list.map((row) => (typeof row === 'string' ? row : (row as { uuid: string }).uuid))
  const there = world.situations.filter(({ ids }) => uuids.includes(ids[request.resource] ?? ''))
  return `lists ${there.map((situation) => situation.name).join(', ')}`
}

/** The same by the reference. */
function expected(request: PolicyRequest, judge: Judge, caller: Credentials, situation: Situation): string {
  const target = isTenanted(request) ? situation.target : {}
  for (const gate of request.gates)
    if (
      !(gate.only === 'projects' && caller.system_scope) &&
      !gate.rules.some((rule) => judge(rule, targetOf(gate, judge, target)))
    )
      return gate.no === 403 ? `403 ${gate.rules[0]}` : String(gate.no)
  if (request.kind === 'plain') return 'passes'
  if (request.kind === 'field')
    return request.shows.some((rule) => judge(rule, target)) ? 'shown' : 'not shown'
  const all = judge(request.all, {})
  if (!all && (caller.project_id === null || !judge(request.own, {}))) return `403 ${request.own}`
  const listed = world.situations
    .filter((each) => !request.below || each === situation)
    .filter((each) => all || ownersOf(request.resource, each).includes(caller.project_id))
  if (request.each && !listed.every((each) => judge(request.each as string, each.target)))
    return `403 ${request.each}`
  return `lists ${listed.map((each) => each.name).join(', ')}`
}

function targetOf({ about }: Gate, judge: Judge, target: Target): Target {
  if (about === 'nothing') return {}
  if (about === undefined || judge('baremetal:node:get', target)) return target
  return { 'node.owner': null }
}

/** Whose rows of a list are shown to whom does not see all of them. */
function ownersOf(resource: string, situation: Situation): (string | null)[] {
  if (resource === 'allocation') return [situation.allocationOwner]
  if (resource === 'runbook') return [situation.runbookOwner]
  return [situation.owner, situation.lessee].filter((owner) => owner !== null)
}

const isPublic = (request: PolicyRequest): boolean => routes.get(request.route)?.rules === 'public'

/** What this caller gets about this situation, and what the reference says; `own` is what the service adds to targets. */
async function compare(
  request: PolicyRequest,
  caller: CallerName,
  situation: Situation,
  own: Target = {},
): Promise<{ got: string; want: string; asked: ReadonlySet<string> }> {
  const credentials = world.credentials(caller)
  const judge: Judge = (rule, target) => holds(rule, credentials, { ...target, ...own })
  const answer = await send(request, caller, situation)
  const entered = caller !== 'nobody' || isPublic(request)
  return {
    got: outcomeOf(request, answer),
    want: entered ? expected(request, judge, credentials, situation) : 'no token',
    asked: answer.asked,
  }
}

/** Whether nothing is changed by it, whoever asks: then all may ask at once. The ramdisk's routes limit how many may. */
const isSettled = (request: PolicyRequest): boolean =>
  !isPublic(request) &&
  (request.route.startsWith('GET ') ||
    (request.kind === 'plain' && request.passes.every((status) => status >= 400)))

async function each<Item, Result>(
  items: readonly Item[],
  atOnce: boolean,
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  if (atOnce) return Promise.all(items.map(act))
  const results: Result[] = []
  for (const item of items) results.push(await act(item))
  return results
}

/** Which rules each route has been seen to ask. */
const askedBy = new Map<string, Set<string>>()

describe.each(requests.map((request) => [titleOf(request), request] as const))('%s', (_, request) => {
  it('gives every caller what Ironic’s policy gives', async () => {
    const pairs = world.situations
      .filter(({ name }) => name === 'leased' || isTenanted(request))
      .flatMap((situation) => asking[situation.name].map((caller) => [caller, situation] as const))
    const results = await each(pairs, isSettled(request), ([caller, situation]) =>
      compare(request, caller, situation),
    )
    const asked = askedBy.get(request.route) ?? new Set()
    askedBy.set(request.route, asked)
    for (const result of results) for (const rule of result.asked) asked.add(rule)
    const lines = (side: 'got' | 'want') =>
      results.map((result, index) => `${pairs[index]?.[0]}, ${pairs[index]?.[1].name}: ${result[side]}`)
    expect(lines('got')).toEqual(lines('want'))
  })

  it('and services of the service project what it gives them where they are elevated', async () => {
    world.elevate(true)
    try {
      const service = { 'config.service_project_name': 'service' }
      for (const situation of world.situations) {
        const { got, want } = await compare(request, 'service', situation, service)
        expect([situation.name, got]).toEqual([situation.name, want])
        if (!isTenanted(request)) break
      }
    } finally {
      world.elevate(false)
    }
  })

  it('asks its rules: with the opposite answer of one it has another outcome', async () => {
    const [situation] = world.situations as [Situation]
    for (const rules of deciding(request)) {
      const { caller, holding } = somebody(request, rules, situation)
      const before = outcomeOf(request, await send(request, caller, situation))
      world.decree(Object.fromEntries(rules.map((rule) => [rule, !holding])))
      try {
        const after = outcomeOf(request, await send(request, caller, situation))
        expect([rules, caller, after]).not.toEqual([rules, caller, before])
      } finally {
        world.decree({})
      }
    }
  })
})

/** The rules, one at a time or those together of which any is enough, that the outcome of a request depends on. */
function deciding(request: PolicyRequest): (readonly string[])[] {
  const gates = request.gates.map((gate) => gate.rules)
  if (request.kind === 'field') return [...gates, request.shows]
  if (request.kind === 'plain') return gates
  return [...gates, [request.all], [request.own], ...(request.each ? [[request.each]] : [])]
}

/** A caller for whom the outcome is decided by these rules: whom they let through, or whom they alone stop. */
function somebody(request: PolicyRequest, rules: readonly string[], situation: Situation) {
  for (const holding of [true, false])
    for (const caller of callerNames) {
      if (caller === 'nobody') continue
      const credentials = world.credentials(caller)
      const judge: Judge = (rule, target) => holds(rule, credentials, target)
      const opposite: Judge = (rule, target) => (rules.includes(rule) ? !holding : judge(rule, target))
      const target = isTenanted(request) ? situation.target : {}
      const holdsNow = rules.some((rule) => judge(rule, target))
      const outcomes = [judge, opposite].map((each) => expected(request, each, credentials, situation))
      if (holdsNow === holding && outcomes[0] !== outcomes[1]) return { caller, holding }
    }
  throw new Error(`no caller’s outcome of ${titleOf(request)} depends on ${rules.join(', ')}`)
}

describe('the matrix', () => {
  it('has a request for every rule there is, but those with a reason', () => {
    const covered = new Set(requests.flatMap((request) => deciding(request).flat()))
    expect(ruleNames.filter((rule) => !covered.has(rule) && !(rule in unasked))).toEqual([])
    expect(Object.keys(unasked).filter((rule) => covered.has(rule) || !ruleNames.includes(rule))).toEqual([])
    expect([...covered].filter((rule) => !ruleNames.includes(rule))).toEqual([])
  })

  it('has all rules that the service has, and no others', () => {
    expect([...world.api.deps.policy.names()].sort()).toEqual([...ruleNames].sort())
  })

  it('has a request for every route, and no others', () => {
    const covered = new Set<string>(requests.map((request) => request.route))
    expect([...routes.keys()].filter((route) => !covered.has(route))).toEqual([])
    expect([...covered].filter((route) => !routes.has(route))).toEqual([])
  })

  it('has a rule for every route that is not public; a route asks just the rules that it tells of', () => {
    for (const [route, { rules }] of routes) {
      if (rules === 'public') continue
      expect([route, rules.length > 0]).toEqual([route, true])
      const asked = [...(askedBy.get(route) ?? [])]
      const told: readonly string[] = rules
      expect([route, asked.filter((rule) => !told.includes(rule) && !beside.has(rule))]).toEqual([route, []])
      expect([route, told.filter((rule) => !asked.includes(rule))]).toEqual([route, []])
    }
  })
})
