/**
 * What the agent in a node's ramdisk calls, without a token of the API: it finds its node, reports that it lives, and
 * hands in what inspection found. Who is not that agent learns nothing: every failure to find a node is one and the
 * same 404.
 */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { publicCaller, type RuleName, redactNode } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import {
  beginAgentSession,
  findInspectedByBmc,
  findNode,
  findNodeByMacs,
  isAgentToken,
  type Node,
  recordHeartbeat,
} from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { RoutingError } from './errors.ts'
import { nullable, selfLinks } from './fields.ts'
import { lookupOf, normalMac } from './identifiers.ts'
import { denied } from './node-access.ts'
import { list, uuid } from './query.ts'
import { agentConfig } from './ramdisk-config.ts'
import { type Inspection, inspectionBody, outcomeOf } from './ramdisk-inventory.ts'
import { createPlaces, createRequestLimit, type RequestLimit } from './ramdisk-limit.ts'
import type { Call, Route } from './routes.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

const absent = (): LeaseholdError => new LeaseholdError('not-found', 'Resource could not be found.')
const locked = (): LeaseholdError =>
  new LeaseholdError(
    'conflict',
    'The node is locked, please retry after the current operation is completed.',
    {
      retryAfterSeconds: 2,
    },
  )

/** States in which a ramdisk is expected. */
const lookupStates = [
  'deploying',
  'wait call-back',
  'cleaning',
  'clean wait',
  'inspecting',
  'inspect wait',
  'rescuing',
  'rescue wait',
  'service wait',
]
/** States in which a heartbeat says that what was waited for is done. An inspection reports by itself. */
const heartbeatStates = ['wait call-back', 'clean wait', 'rescue wait', 'service wait']

const heartbeatBody = Type.Object(
  {
    callback_url: Type.String({ maxLength: 2048 }),
    agent_version: Type.Optional(nullable(Type.String({ maxLength: 255 }))),
    agent_token: Type.Optional(nullable(Type.String({ maxLength: 255 }))),
    agent_verify_ca: Type.Optional(nullable(Type.String({ maxLength: 65_536 }))),
    agent_status: Type.Optional(
      nullable(Type.Union([Type.Literal('start'), Type.Literal('end'), Type.Literal('error')])),
    ),
    agent_status_message: Type.Optional(nullable(Type.String({ maxLength: 65_536 }))),
  },
  { additionalProperties: false },
)

/** A request that found nothing costs as much as so many others: addresses are not to be tried one after the other. */
const costOfMiss = 10

export function ramdiskRoutes(deps: ApiDeps): Route[] {
  let made: RequestLimit | undefined
  const limit = () => (made ??= requestLimit(deps))
  const enterWithBody = createPlaces(16, 4)
  const before = (request: FastifyRequest) => {
    if (!deps.config['api.enable_ramdisk_endpoints'])
      throw new LeaseholdError(
        'forbidden',
        'The ramdisk endpoints are disabled (api.enable_ramdisk_endpoints).',
      )
    limit().spend(request.ip, 1)
  }
  const counted = (handler: (call: Call) => Promise<unknown>) => (call: Call) =>
    handler(call).catch((error: unknown) => {
      if (error instanceof LeaseholdError && error.code === 'not-found')
        limit().charge(call.request.ip, costOfMiss - 1)
      throw error
    })
  return [
    {
      method: 'GET',
      path: '/lookup',
      summary: 'Find the node that a ramdisk runs on',
      rules: 'public',
      since: 22,
      query: { addresses: list(), node_uuid: uuid() },
      before,
      ok: 200,
      handler: counted((call) => lookup(deps, call)),
    },
    {
      method: 'POST',
      path: '/heartbeat/:node',
      summary: 'Report that the agent in a ramdisk lives',
      rules: 'public',
      since: 22,
      body: heartbeatBody,
      before,
      ok: 202,
      handler: counted((call) => heartbeat(deps, call)),
    },
    {
      method: 'POST',
      path: '/continue_inspection',
      summary: 'Hand in what the inspection of a node found',
      rules: 'public',
      query: { node_uuid: uuid(84) },
      body: inspectionBody,
      bodyLimitBytes: 16 * 2 ** 20,
      before: (request, reply) => {
        // The ironic-inspector's callers, who know no versions, may come at 1.1.
        if (request.version < 84 && request.version !== 1)
          throw new RoutingError('not-found', 'The resource could not be found.')
        before(request)
        enterWithBody(request, reply)
      },
      ok: 202,
      handler: counted((call) => continueInspection(deps, call)),
    },
  ]
}

function requestLimit({ config }: ApiDeps): RequestLimit {
  const perSecond = config['api.ramdisk_requests_per_second']
  return createRequestLimit({ perSecond, atOnce: perSecond * 30 })
}

/** The rules of these routes let everybody through, unless the operator's file says otherwise. */
function requirePublicRule(deps: ApiDeps, rule: RuleName): void {
  if (!deps.policy.allows(rule, publicCaller)) throw denied(rule)
}

async function lookup(deps: ApiDeps, call: Call): Promise<unknown> {
  requirePublicRule(deps, 'baremetal:driver:ipa_lookup')
  const addresses = macsOf((call.query.addresses as string[] | undefined) ?? [])
  const nodeUuid = call.query.node_uuid as string | undefined
  if (nodeUuid === undefined && addresses.length === 0)
    throw invalid('At least one of addresses (MAC addresses, separated by commas) and node_uuid is required.')
  const node =
    nodeUuid === undefined
      ? await findNodeByMacs(deps.db, addresses)
      : await findNode(deps.db, { uuid: nodeUuid })
  const expected = !deps.config['api.restrict_lookup'] || lookupStates.includes(node?.provision_state ?? '')
  if (!node || !expected) throw absent()
  return answerFor(deps, call, node, await tokenFor(deps, call, node))
}

/** No machine has more network interfaces than this; whoever names more is trying them out. */
const mostAddresses = 64

function macsOf(texts: readonly (string | null | undefined)[]): string[] {
  const addresses = texts.flatMap((each) => normalMac(each?.trim() ?? '') ?? [])
  if (addresses.length > mostAddresses)
    throw invalid(`At most ${mostAddresses} MAC addresses can be looked up.`)
  return addresses
}

/** The agent's token: told once, masked from then on. Versions that do not know it get none. */
async function tokenFor(deps: ApiDeps, call: Call, node: Node): Promise<string | null> {
  if (call.version < 62) return null
  const begun = await beginAgentSession(deps.db, node)
  if (begun === 'gone') throw absent()
  if (begun === 'locked') throw locked()
  return begun === 'known' ? masked : begun.token
}
const masked = '******'

/** What an agent learns: of its node what a stranger may see of a node, and how to behave. */
function answerFor(deps: ApiDeps, call: Call, node: Node, token: string | null): Record<string, unknown> {
  const { uuid: nodeUuid, properties, instance_info, driver_internal_info } = node
  const shown = { uuid: nodeUuid, properties, instance_info, driver_internal_info }
  return {
    node: {
      ...redactNode(deps.policy, publicCaller, shown, { ownership: node }),
      links: selfLinks(call.base, `nodes/${nodeUuid}`),
    },
    config: agentConfig(deps.config, token),
  }
}

interface HeartbeatBody {
  callback_url: string
  agent_version?: string | null
  agent_token?: string | null
  agent_verify_ca?: string | null
  agent_status?: 'start' | 'end' | 'error' | null
  agent_status_message?: string | null
}

/** Fields of a heartbeat that are newer than it. */
const fieldSince = {
  agent_version: 36,
  agent_token: 62,
  agent_verify_ca: 68,
  agent_status: 72,
  agent_status_message: 72,
} as const satisfies Partial<Record<keyof HeartbeatBody, number>>

async function heartbeat(deps: ApiDeps, call: Call): Promise<undefined> {
  requirePublicRule(deps, 'baremetal:node:ipa_heartbeat')
  const body = call.body as HeartbeatBody
  const token = checkHeartbeat(body, call.version)
  const by = lookupOf(call.params.node as string, true)
  const node = by && (await findNode(deps.db, by))
  // Who does not know the token is not told that there is such a node.
  if (!node || !isAgentToken(node, token)) throw absent()
  const known = node.driver_internal_info.agent_url
  if (known !== undefined && known !== body.callback_url)
    throw invalid('callback_url is not the one that this agent has reported before.')
  const recorded = await recordHeartbeat(deps.db, node.uuid, {
    token,
    url: body.callback_url,
    version: body.agent_version ?? undefined,
    verifyCa: body.agent_verify_ca ?? undefined,
  })
  if (!recorded) throw locked()
  await goOn(deps, recorded, body)
}

/** @returns the token. @throws LeaseholdError 'invalid': what can be said without looking at any node. */
function checkHeartbeat(body: HeartbeatBody, version: number): string {
  for (const [field, since] of Object.entries(fieldSince))
    if (version < since && (body[field as keyof HeartbeatBody] ?? null) !== null)
      throw invalid(`Field "${field}" of a heartbeat needs API version 1.${since}.`)
  const url = URL.canParse(body.callback_url) ? new URL(body.callback_url) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw invalid('callback_url must be an http or https URL.')
  if (version >= 36 && !body.agent_version && !body.agent_status)
    throw invalid('The field agent_version is missing.')
  if (!body.agent_token)
    throw invalid('The field agent_token is missing: it is what lookup has answered with.')
  return body.agent_token
}

/** Goes on with what waits for this agent, unless it says that it only begins. */
async function goOn(deps: ApiDeps, node: Node, body: HeartbeatBody): Promise<void> {
  if (node.reservation || !heartbeatStates.includes(node.provision_state) || body.agent_status === 'start')
    return
  const outcome =
    body.agent_status === 'error'
      ? { error: `The agent reported an error: ${body.agent_status_message?.slice(0, 4096) || 'no message'}` }
      : {}
  await deps.provisioner.resume(node.uuid, outcome).catch((error: unknown) => {
    // Somebody else was first. The heartbeat is on record, and the next one comes.
    if (!(error instanceof LeaseholdError) || (error.code !== 'conflict' && error.code !== 'not-found'))
      throw error
  })
}

async function continueInspection(deps: ApiDeps, call: Call): Promise<unknown> {
  requirePublicRule(deps, 'baremetal:driver:ipa_continue_inspection')
  const found = call.body as Inspection
  const node = await inspectedNode(deps, call.query.node_uuid as string | undefined, found)
  if (node?.provision_state !== 'inspect wait') throw absent()
  if (node.reservation) throw locked()
  const token = await tokenFor(deps, call, node)
  await deps.provisioner.resume(node.uuid, outcomeOf(found)).catch((error: unknown) => {
    // The words would tell more than an agent has to know.
    if (error instanceof LeaseholdError && error.code === 'conflict') throw locked()
    if (error instanceof LeaseholdError && error.code === 'not-found') throw absent()
    throw error
  })
  return call.version === 1 ? { uuid: node.uuid } : answerFor(deps, call, node, token)
}

/** The node by its UUID, by MAC addresses (which must not contradict that), else by its BMC. */
async function inspectedNode(
  deps: ApiDeps,
  nodeUuid: string | undefined,
  { inventory }: Inspection,
): Promise<Node | undefined> {
  const addresses = macsOf(inventory.interfaces.map((each) => each.mac_address))
  const byMac = addresses.length === 0 ? undefined : await findNodeByMacs(deps.db, addresses)
  if (nodeUuid !== undefined) {
    if (byMac && byMac.uuid !== nodeUuid) return undefined
    return byMac ?? findNode(deps.db, { uuid: nodeUuid })
  }
  if (byMac) return byMac
  const bmcs = [inventory.bmc_address, inventory.bmc_v6address].filter((each) => !!each && each !== '0.0.0.0')
  return bmcs.length === 0 ? undefined : findInspectedByBmc(deps.db, bmcs as string[])
}
