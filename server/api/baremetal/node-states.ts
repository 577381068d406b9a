/** A node's states: shown, and its power and provision state changed. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import { type PowerTarget, powerTargets } from '../../hardware/index.ts'
import type { Node } from '../../inventory/index.ts'
import { checkMaintenance, checkVerb, type Verb, type VerbOptions } from '../../provision/index.ts'
import type { ApiDeps } from '../deps.ts'
import { configdriveOf } from './configdrive.ts'
import { asBoolean, looseBoolean, nullable } from './fields.ts'
import { nodeFor, requireRules, showNodes } from './node-access.ts'
import { nodeFields } from './node-fields.ts'
import type { Call, Route } from './routes.ts'
import { runbookForNode } from './runbook-access.ts'
import { runbooksSince } from './runbook-fields.ts'
import { requireStepRules } from './stored-steps.ts'
import { notAcceptable } from './versions.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

const whoAsks = (call: Call) => ({ userId: call.caller.userId, projectId: call.caller.projectId })

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
    runbook: Type.Optional(nullable(Type.String({ maxLength: 255 }))),
  },
  { additionalProperties: false },
)

export function nodeStateRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/nodes/:node/states',
      summary: "Show a node's states",
      rules: ['baremetal:node:get', 'baremetal:node:get_states'],
      ok: 200,
      handler: async (call) => {
        const node = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:get_states')
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
        'baremetal:runbook:use',
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
  const node = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:set_power_state')
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
  const node = await nodeFor(deps, call, call.params.node as string, 'baremetal:node:set_provision_state')
  const body = call.body as Record<string, unknown>
  const target = String(body.target)
  const since = verbSince[target]
  if (since !== undefined && call.version < since) throw notAcceptable(since)
  if (body.clean_steps) requireRules(deps, call, node, ['baremetal:node:set_provision_state:clean_steps'])
  if (body.service_steps) requireRules(deps, call, node, ['baremetal:node:set_provision_state:service_steps'])
  checkMaintenance(node, target as Verb)
  checkVerb(node, target)
  const options = {
    ...optionsOf(deps, call, node, target, body),
    ...(await stepsOfRunbook(deps, call, node, target, body)),
  }
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
  const configdrive = configdriveOf(body.configdrive, target, version)
  if (configdrive !== undefined) options.configdrive = configdrive
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
  const steps = ['clean_steps', 'deploy_steps', 'service_steps'].flatMap((name) => body[name] ?? [])
  requireStepRules(deps, call, steps as { interface?: unknown; step?: unknown }[], node)
  return options as VerbOptions
}

/** The steps of a runbook, in place of steps that are given one by one. */
async function stepsOfRunbook(
  deps: ApiDeps,
  call: Call,
  node: Node,
  target: string,
  body: Record<string, unknown>,
): Promise<Pick<VerbOptions, 'cleanSteps' | 'serviceSteps' | 'disableRamdisk'>> {
  if (body.runbook === undefined || body.runbook === null) return {}
  if (call.version < runbooksSince) throw notAcceptable(runbooksSince)
  if (target !== 'clean' && target !== 'service')
    throw invalid(`"runbook" is only valid with target clean or service, not ${target}.`)
  if (body.clean_steps || body.service_steps)
    throw invalid('"runbook" brings its own steps: leave out "clean_steps" and "service_steps".')
  const { steps, disable_ramdisk } = await runbookForNode(deps, call, body.runbook as string, node)
  return {
    [target === 'clean' ? 'cleanSteps' : 'serviceSteps']: steps,
    ...(disable_ramdisk ? { disableRamdisk: true } : {}),
  }
}
