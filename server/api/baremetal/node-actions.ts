/** What is done with a node besides changing its fields: maintenance, power, provisioning, boot device, traits. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import {
  type BootDevice,
  bootDevices,
  type PowerTarget,
  powerTargets,
  validateNode,
} from '../../hardware/index.ts'
import {
  changeNode,
  findHistory,
  type HistoryEntry,
  listHistory,
  type Node,
  withLock,
} from '../../inventory/index.ts'
import type { Verb, VerbOptions } from '../../provision/index.ts'
import { checkMaintenance, checkVerb } from '../../provision/index.ts'
import type { ApiDeps } from '../deps.ts'
import { asBoolean, isoTime, looseBoolean, nullable, selfLinks } from './fields.ts'
import { changeOptions, lockOptions, nodeFor, requireRules, showNodes } from './node-access.ts'
import { nodeFields, shownState } from './node-fields.ts'
import { nextLink, pageOf } from './page.ts'
import { boolean, paging, text } from './query.ts'
import type { Call, Route } from './routes.ts'
import { notAcceptable } from './versions.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

/** Deadline of a request that waits for a machine, milliseconds. */
const machineDeadlineMs = 30_000

const ident = (call: Call): string => call.params.node as string
const whoAsks = (call: Call) => ({ userId: call.caller.userId, projectId: call.caller.projectId })

export function nodeActionRoutes(deps: ApiDeps): Route[] {
  return [
    ...validation(deps),
    ...maintenance(deps),
    ...states(deps),
    ...bootDevice(deps),
    ...traits(deps),
    ...history(deps),
  ]
}

function validation(deps: ApiDeps): Route[] {
  const validate = async (call: Call, name: string) =>
    validateNode(deps.hardware, await nodeFor(deps, call, name, 'baremetal:node:validate'))
  const common = { method: 'GET', rules: ['baremetal:node:get', 'baremetal:node:validate'], ok: 200 } as const
  return [
    {
      ...common,
      path: '/nodes/:node/validate',
      summary: "Check each of a node's interfaces",
      handler: (call) => validate(call, ident(call)),
    },
    {
      ...common,
      path: '/nodes/validate',
      summary: "Check each of a node's interfaces",
      query: { node: text(), node_uuid: text() },
      handler: (call) => {
        const name = call.query.node ?? call.query.node_uuid
        if (name === undefined) throw invalid('The query parameter node (a UUID or name) is missing.')
        return validate(call, name as string)
      },
    },
  ]
}

function maintenance(deps: ApiDeps): Route[] {
  return [
    {
      method: 'PUT',
      path: '/nodes/:node/maintenance',
      summary: 'Put a node into maintenance',
      rules: ['baremetal:node:get', 'baremetal:node:set_maintenance'],
      body: nullable(
        Type.Object(
          { reason: Type.Optional(nullable(Type.String({ maxLength: 4096 }))) },
          { additionalProperties: false },
        ),
      ),
      ok: 202,
      handler: async (call) => {
        const node = await nodeFor(deps, call, ident(call), 'baremetal:node:set_maintenance')
        const reason = (call.body as { reason?: string | null } | null)?.reason ?? null
        await changeNode(deps.db, node, changeOptions(deps), () => ({
          maintenance: true,
          maintenance_reason: reason,
        }))
      },
    },
    {
      method: 'DELETE',
      path: '/nodes/:node/maintenance',
      summary: 'Take a node out of maintenance',
      rules: ['baremetal:node:get', 'baremetal:node:clear_maintenance'],
      ok: 202,
      handler: async (call) => {
        const node = await nodeFor(deps, call, ident(call), 'baremetal:node:clear_maintenance')
        await changeNode(deps.db, node, changeOptions(deps), () => ({
          maintenance: false,
          maintenance_reason: null,
          fault: null,
        }))
      },
    },
  ]
}

const statesFields = [
  'console_enabled',
  'last_error',
  'power_state',
  'provision_state',
  'target_power_state',
  'target_provision_state',
  'provision_updated_at',
  'raid_config',
  'target_raid_config',
  'boot_mode',
  'secure_boot',
]

const step = Type.Record(Type.String(), Type.Unknown())
const provisionBody = Type.Object(
  {
    target: nullable(Type.String({ maxLength: 64 })),
    configdrive: Type.Optional(
      nullable(Type.Union([Type.String(), Type.Record(Type.String(), Type.Unknown())])),
    ),
    clean_steps: Type.Optional(nullable(Type.Array(step, { maxItems: 1000 }))),
    deploy_steps: Type.Optional(nullable(Type.Array(step, { maxItems: 1000 }))),
    service_steps: Type.Optional(nullable(Type.Array(step, { maxItems: 1000 }))),
    rescue_password: Type.Optional(nullable(Type.String({ maxLength: 1024 }))),
    disable_ramdisk: Type.Optional(nullable(looseBoolean)),
  },
  { additionalProperties: false },
)

function states(deps: ApiDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/nodes/:node/states',
      summary: "Show a node's states",
      rules: ['baremetal:node:get', 'baremetal:node:get_states'],
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, ident(call), 'baremetal:node:get_states')
        const shown = nodeFields.filter(
          (field) => statesFields.includes(field.name) && field.since <= call.version,
        )
        const { links: _, ...answer } = (await showNodes(deps, call, [node], shown, false))[0] as Record<
          string,
          unknown
        >
        return answer
      },
    },
    {
      method: 'PUT',
      path: '/nodes/:node/states/power',
      summary: "Change a node's power state",
      rules: ['baremetal:node:get', 'baremetal:node:set_power_state'],
      body: Type.Object(
        {
          target: nullable(Type.String({ maxLength: 64 })),
          timeout: Type.Optional(nullable(Type.Integer({ minimum: 1, maximum: 86_400 }))),
        },
        { additionalProperties: false },
      ),
      ok: 202,
      handler: (call) => setPower(deps, call),
    },
    {
      method: 'PUT',
      path: '/nodes/:node/states/provision',
      summary: 'Move a node through its provision states',
      rules: [
        'baremetal:node:get',
        'baremetal:node:set_provision_state',
        'baremetal:node:set_provision_state:clean_steps',
        'baremetal:node:set_provision_state:service_steps',
      ],
      body: provisionBody,
      // A configdrive may be large.
      bodyLimitBytes: 64 * 2 ** 20,
      ok: 202,
      handler: (call) => setProvision(deps, call),
    },
  ]
}

const statesLocation = (call: Call, node: Node): string => `${call.base}/v1/nodes/${node.uuid}/states`

async function setPower(deps: ApiDeps, call: Call): Promise<undefined> {
  const node = await nodeFor(deps, call, ident(call), 'baremetal:node:set_power_state')
  const { target, timeout } = call.body as { target: string | null; timeout?: number | null }
  if (!powerTargets.includes(target as PowerTarget))
    throw invalid(`Cannot set power state to "${target}": use one of ${powerTargets.join(', ')}.`)
  if (call.version < 27 && (target?.startsWith('soft') || timeout)) throw notAcceptable(27)
  await deps.provisioner.setPower({
    node,
    target: target as PowerTarget,
    caller: whoAsks(call),
    ...(timeout ? { timeoutSeconds: timeout } : {}),
  })
  call.reply.header('location', statesLocation(call, node))
}

/** Microversion of each verb that is not there from the beginning. */
const verbSince: Readonly<Record<string, number>> = {
  manage: 4,
  provide: 4,
  inspect: 6,
  abort: 13,
  clean: 15,
  adopt: 17,
  rescue: 38,
  unrescue: 38,
  deploy: 73,
}

async function setProvision(deps: ApiDeps, call: Call): Promise<undefined> {
  const node = await nodeFor(deps, call, ident(call), 'baremetal:node:set_provision_state')
  const body = call.body as Record<string, unknown>
  const target = String(body.target)
  const since = verbSince[target]
  if (since !== undefined && call.version < since) throw notAcceptable(since)
  if (body.clean_steps) requireRules(deps, call, node, ['baremetal:node:set_provision_state:clean_steps'])
  if (body.service_steps) requireRules(deps, call, node, ['baremetal:node:set_provision_state:service_steps'])
  checkMaintenance(node, target as Verb)
  checkVerb(node, target)
  const options = optionsOf(deps, call, node, target, body)
  await deps.provisioner.begin({ node, verb: target, caller: whoAsks(call), options })
  call.reply.header('location', statesLocation(call, node))
}

function optionsOf(
  deps: ApiDeps,
  call: Call,
  node: Node,
  target: string,
  body: Record<string, unknown>,
): VerbOptions {
  const { version } = call
  const options: Record<string, unknown> = {}
  if (body.configdrive !== undefined && body.configdrive !== null)
    options.configdrive = configdriveOf(body.configdrive, target, version)
  if (body.clean_steps) options.cleanSteps = body.clean_steps
  if (body.deploy_steps) {
    if (version < 69) throw notAcceptable(69)
    options.deploySteps = body.deploy_steps
  }
  if (body.service_steps) options.serviceSteps = body.service_steps
  if (body.rescue_password !== undefined && body.rescue_password !== null)
    options.rescuePassword = body.rescue_password
  if (body.disable_ramdisk !== undefined && body.disable_ramdisk !== null) {
    if (version < (target === 'service' ? 108 : 70)) throw notAcceptable(target === 'service' ? 108 : 70)
    options.disableRamdisk = asBoolean(body.disable_ramdisk)
  }
  if (target === 'abort' && node.provision_state === 'inspect wait' && version < 41) throw notAcceptable(41)
  if (target === 'abort' && node.provision_state === 'wait call-back' && version < 110)
    throw notAcceptable(110)
  if (target === 'unhold' && version < 85) throw notAcceptable(85)
  if (target === 'service' && version < 87) throw notAcceptable(87)
  checkStepRules(deps, call, node, body)
  return options as VerbOptions
}

/** Rules of single steps, when the operator's policy file has any. */
function checkStepRules(deps: ApiDeps, call: Call, node: Node, body: Record<string, unknown>): void {
  const steps = ['clean_steps', 'deploy_steps', 'service_steps'].flatMap(
    (name) => (body[name] ?? []) as { interface?: unknown; step?: unknown }[],
  )
  const rules = steps.map(
    ({ interface: type, step: name }) => `baremetal:step:execute:${String(type)}.${String(name)}` as const,
  )
  requireRules(
    deps,
    call,
    node,
    rules.filter((rule) => deps.policy.has(rule)),
  )
}

const configdriveKeys: Readonly<Record<string, number>> = {
  meta_data: 56,
  network_data: 56,
  user_data: 56,
  vendor_data: 59,
}

/** @throws LeaseholdError 'invalid' for what is no configdrive, 'not-acceptable' for a form that is newer. */
function configdriveOf(given: unknown, target: string, version: number): string | Record<string, unknown> {
  if (target === 'rebuild' && version < 35) throw notAcceptable(35)
  if (typeof given === 'string') {
    const isUrl = given.includes('://')
    if (!isUrl && !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(given))
      throw invalid('configdrive must be a URL, base64 text, or (since 1.56) an object.')
    return given
  }
  if (version < 56) throw notAcceptable(56)
  for (const key of Object.keys(given as object)) {
    const since = configdriveKeys[key]
    if (since === undefined)
      throw invalid(
        `configdrive: "${key.slice(0, 100)}" is unknown; known are ${Object.keys(configdriveKeys).join(', ')}.`,
      )
    if (version < since) throw notAcceptable(since)
  }
  return given as Record<string, unknown>
}

function bootDevice(deps: ApiDeps): Route[] {
  const path = '/nodes/:node/management/boot_device'
  const bounds = () => ({ signal: AbortSignal.timeout(machineDeadlineMs) })
  const getRules = ['baremetal:node:get', 'baremetal:node:get_boot_device'] as const
  return [
    {
      method: 'GET',
      path,
      summary: 'Show what a node boots from',
      rules: getRules,
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, ident(call), 'baremetal:node:get_boot_device')
        return deps.hardware.implementation(node, 'management').getBootDevice(node, bounds())
      },
    },
    {
      method: 'GET',
      path: `${path}/supported`,
      summary: 'List what a node can boot from',
      rules: getRules,
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, ident(call), 'baremetal:node:get_boot_device')
        return {
          supported_boot_devices: deps.hardware.implementation(node, 'management').supportedBootDevices(node),
        }
      },
    },
    {
      method: 'PUT',
      path,
      summary: 'Set what a node boots from',
      rules: ['baremetal:node:get', 'baremetal:node:set_boot_device'],
      body: Type.Object(
        { boot_device: Type.String({ maxLength: 64 }), persistent: Type.Optional(nullable(looseBoolean)) },
        { additionalProperties: false },
      ),
      ok: 204,
      handler: (call) => setBootDevice(deps, call),
    },
  ]
}

async function setBootDevice(deps: ApiDeps, call: Call): Promise<undefined> {
  const node = await nodeFor(deps, call, ident(call), 'baremetal:node:set_boot_device')
  const { boot_device: device, persistent } = call.body as { boot_device: string; persistent?: unknown }
  const management = deps.hardware.implementation(node, 'management')
  const supported: readonly string[] = management.supportedBootDevices(node)
  if (!(bootDevices as readonly string[]).includes(device) || !supported.includes(device))
    throw invalid(`Invalid boot device ${device} specified. Supported: ${supported.join(', ')}.`)
  const keep = asBoolean(persistent ?? false)
  await withLock(deps.db, node.uuid, lockOptions(deps), async (lock) => {
    await management.setBootDevice(node, device as BootDevice, keep, {
      signal: AbortSignal.timeout(machineDeadlineMs),
    })
    await deps.db
      .updateTable('nodes')
      .set({ boot_device: JSON.stringify({ boot_device: device, persistent: keep }) })
      .where('uuid', '=', lock.uuid)
      .where('generation', '=', lock.generation)
      .execute()
  })
}

const traitName =
  /^(CUSTOM_[A-Z0-9_]+|(HW|COMPUTE|STORAGE|MISC|OWNER|HYPERVISOR|CONTAINER|MANAGER)_[A-Z0-9_]+)$/
const maximumTraits = 50

function traits(deps: ApiDeps): Route[] {
  const path = '/nodes/:node/traits'
  const setRules = ['baremetal:node:get', 'baremetal:node:traits:set'] as const
  const deleteRules = ['baremetal:node:get', 'baremetal:node:traits:delete'] as const
  const write = async (
    call: Call,
    rule: 'baremetal:node:traits:set' | 'baremetal:node:traits:delete',
    change: (now: string[]) => string[],
  ) => {
    const node = await nodeFor(deps, call, ident(call), rule)
    await changeNode(deps.db, node, changeOptions(deps), (current) => {
      const wanted = [...new Set(change(current.traits))].sort()
      if (wanted.length > maximumTraits)
        throw invalid(`A node has at most ${maximumTraits} traits, not ${wanted.length}.`)
      return { traits: wanted }
    })
    return node
  }
  return [
    {
      method: 'GET',
      path,
      summary: "List a node's traits",
      rules: ['baremetal:node:get', 'baremetal:node:traits:list'],
      since: 37,
      below: 406,
      ok: 200,
      handler: async (call) => ({
        traits: (await nodeFor(deps, call, ident(call), 'baremetal:node:traits:list')).traits,
      }),
    },
    {
      method: 'PUT',
      path,
      summary: "Replace a node's traits",
      rules: setRules,
      since: 37,
      below: 405,
      body: Type.Object(
        { traits: Type.Array(Type.String({ maxLength: 255 }), { maxItems: 1000 }) },
        { additionalProperties: false },
      ),
      ok: 204,
      handler: async (call) => {
        const { traits: wanted } = call.body as { traits: string[] }
        wanted.forEach(checkTrait)
        await write(call, 'baremetal:node:traits:set', () => wanted)
      },
    },
    {
      method: 'DELETE',
      path,
      summary: "Remove all of a node's traits",
      rules: deleteRules,
      since: 37,
      ok: 204,
      handler: async (call) => {
        await write(call, 'baremetal:node:traits:delete', () => [])
      },
    },
    {
      method: 'PUT',
      path: `${path}/:trait`,
      summary: 'Add a trait to a node',
      rules: setRules,
      since: 37,
      below: 405,
      ok: 204,
      handler: async (call) => {
        const trait = call.params.trait as string
        if (call.body !== undefined && call.body !== null)
          throw invalid('A trait in the path goes without a body.')
        checkTrait(trait)
        const node = await write(call, 'baremetal:node:traits:set', (now) => [...now, trait])
        call.reply.header('location', `${call.base}/v1/nodes/${node.uuid}/traits/${trait}`)
      },
    },
    {
      method: 'DELETE',
      path: `${path}/:trait`,
      summary: 'Remove a trait from a node',
      rules: deleteRules,
      since: 37,
      ok: 204,
      handler: async (call) => {
        const trait = call.params.trait as string
        await write(call, 'baremetal:node:traits:delete', (now) => {
          if (!now.includes(trait))
            throw new LeaseholdError(
              'not-found',
              `Node ${ident(call)} doesn't have a trait '${trait.slice(0, 255)}'`,
            )
          return now.filter((each) => each !== trait)
        })
      },
    },
  ]
}

function checkTrait(trait: string): void {
  if (trait.length > 255 || !traitName.test(trait))
    throw invalid(
      `Invalid trait "${trait.slice(0, 255)}": use a standard trait or CUSTOM_ followed by A-Z, 0-9 and _, at most 255 characters.`,
    )
}

function history(deps: ApiDeps): Route[] {
  const rules = ['baremetal:node:get', 'baremetal:node:history:get'] as const
  return [
    {
      method: 'GET',
      path: '/nodes/:node/history',
      summary: 'List what has happened to a node',
      rules,
      since: 78,
      query: { ...paging, detail: boolean() },
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, ident(call), 'baremetal:node:history:get')
        const page = pageOf(call.query, deps.config['api.max_limit'])
        const key = (call.query.sort_key as string | undefined) ?? 'created_at'
        if (!['id', 'uuid', 'created_at', 'severity', 'event', 'event_type'].includes(key))
          throw invalid(
            `The sort_key value "${key.slice(0, 100)}" is an invalid field for sorting; use created_at, uuid, severity, event or event_type.`,
          )
        const entries = await listHistory(deps.db, node.uuid, { ...page, sortColumn: key })
        const shown = entries.map((entry) => showHistory(call, node, entry, call.query.detail === true))
        return {
          history: shown,
          ...nextLink(`${call.base}/v1/nodes/${node.uuid}/history`, call.query, page, entries),
        }
      },
    },
    {
      method: 'GET',
      path: '/nodes/:node/history/:entry',
      summary: 'Show one thing that has happened to a node',
      rules,
      since: 78,
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, ident(call), 'baremetal:node:history:get')
        const uuid = call.params.entry as string
        const entry = /^[0-9a-f-]{36}$/i.test(uuid) ? await findHistory(deps.db, node.uuid, uuid) : undefined
        if (!entry)
          throw new LeaseholdError(
            'not-found',
            `Node history record ${uuid.slice(0, 100)} could not be found.`,
          )
        return showHistory(call, node, entry, true)
      },
    },
  ]
}

function showHistory(call: Call, node: Node, entry: HistoryEntry, full: boolean): Record<string, unknown> {
  const short = full || entry.event.length <= 255 ? entry.event : `${entry.event.slice(0, 251)}...`
  return {
    uuid: entry.uuid,
    created_at: isoTime(entry.created_at),
    severity: entry.severity,
    event: short,
    ...(full
      ? {
          event_type: entry.event_type,
          conductor: entry.conductor,
          user: entry.user_id,
          ...(call.version >= 113 ? { project: entry.project_id } : {}),
          ...(call.version >= 115
            ? {
                state: shownState(entry.state, call.version),
                target_provision_state: entry.target_provision_state,
                duration_seconds: entry.duration_seconds,
              }
            : {}),
        }
      : {}),
    links: selfLinks(call.base, `nodes/${node.uuid}/history/${entry.uuid}`),
  }
}
