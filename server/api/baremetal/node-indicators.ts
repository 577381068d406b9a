/** The lights of a machine, and the interrupt that makes its system say where it hangs. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import { callOf, type Indicator, type IndicatorState } from '../../hardware/index.ts'
import type { Node } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { nullable, selfLinks } from './fields.ts'
import { nodeFor } from './node-access.ts'
import { askMachine, changeMachineNow, requireDriven } from './node-machine.ts'
import type { Call, Route } from './routes.ts'

const getRule = 'baremetal:node:get_indicator_state'
const setRule = 'baremetal:node:set_indicator_state'
const nmiRule = 'baremetal:node:inject_nmi'

export function indicatorRoutes(deps: ApiDeps): Route[] {
  const path = '/nodes/:node/management/indicators'
  const reading = { method: 'GET', rules: ['baremetal:node:get', getRule], since: 63, ok: 200 } as const
  const nodeOf = async (call: Call, rule: typeof getRule | typeof setRule | typeof nmiRule) => {
    const node = await nodeFor(deps, call, call.params.node as string, rule)
    await requireDriven(deps, node)
    return node
  }
  const indicatorsOf = (node: Node) => {
    const management = deps.hardware.implementation(node, 'management')
    return callOf(node, management, 'indicators', 'get_supported_indicators')(node)
  }
  const management = (node: Node) => deps.hardware.implementation(node, 'management')
  return [
    {
      ...reading,
      path,
      summary: "List a node's indicators",
      handler: async (call) => {
        const node = await nodeOf(call, getRule)
        return {
          indicators: indicatorsOf(node).map(({ name, component, readonly, states }) => ({
            name: `${name}@${component}`,
            component,
            readonly,
            states,
            links: selfLinks(call.base, `nodes/${node.uuid}/management/indicators/${name}@${component}`),
          })),
        }
      },
    },
    // Ironic's reference writes COMPONENT/NAME, its answers NAME@COMPONENT.
    ...[`${path}/:indicator`, `${path}/:component/:light`].flatMap((one): Route[] => [
      {
        ...reading,
        path: one,
        summary: "Show the state of one of a node's indicators",
        handler: async (call) => {
          const node = await nodeOf(call, getRule)
          const indicator = indicatorNamed(nameIn(call), indicatorsOf(node))
          const get = callOf(node, management(node), 'getIndicator', 'get_indicator_state')
          return { state: await askMachine((bounds) => get(node, indicator, bounds)) }
        },
      },
      {
        method: 'PUT',
        path: one,
        summary: "Switch one of a node's indicators",
        rules: ['baremetal:node:get', setRule],
        since: 63,
        body: nullable(
          Type.Object(
            { state: Type.Optional(Type.String({ maxLength: 64 })) },
            { additionalProperties: false },
          ),
        ),
        ok: 204,
        handler: async (call) => {
          const node = await nodeOf(call, setRule)
          const name = nameIn(call)
          const indicator = indicatorNamed(name, indicatorsOf(node))
          const { state } = (call.body ?? {}) as { state?: IndicatorState }
          if (indicator.readonly) throw invalid(`Indicator ${name} can only be read.`)
          if (state === undefined || !indicator.states.includes(state))
            throw invalid(`Indicator ${name} takes as state ${indicator.states.join(', ')}.`)
          const set = callOf(node, management(node), 'setIndicator', 'set_indicator_state')
          await changeMachineNow(deps, call, node, [setRule], async (current, bounds) => ({
            changes: await set(current, indicator, state, bounds),
          }))
        },
      },
    ]),
    {
      method: 'PUT',
      path: '/nodes/:node/management/inject_nmi',
      summary: 'Send a non-maskable interrupt to a node',
      rules: ['baremetal:node:get', nmiRule],
      since: 29,
      body: nullable(Type.Object({}, { additionalProperties: false })),
      ok: 204,
      handler: async (call) => {
        const node = await nodeOf(call, nmiRule)
        const inject = callOf(node, management(node), 'injectNmi', 'inject_nmi')
        await changeMachineNow(deps, call, node, [nmiRule], async (current, bounds) => ({
          changes: await inject(current, bounds),
        }))
      },
    },
  ]
}

const nameIn = ({ params: { indicator, component, light } }: Call): string =>
  indicator ?? `${light}@${component}`

/** What of a machine may have lights. */
const components: readonly string[] = ['chassis', 'system', 'disk', 'power', 'nic']

/** @throws LeaseholdError 'invalid' for what is no NAME@COMPONENT, 'not-found' for a light that is not there. */
function indicatorNamed(asked: string, indicators: readonly Indicator[]): Indicator {
  const [name, component, more] = asked.split('@')
  if (!name || !component || more !== undefined)
    throw invalid(`Invalid indicator "${asked.slice(0, 255)}": write it as NAME@COMPONENT.`)
  if (!components.includes(component))
    throw invalid(`Invalid component "${component.slice(0, 255)}": use one of ${components.join(', ')}.`)
  const found = indicators.find((each) => each.name === name && each.component === component)
  if (found) return found
  const known = indicators.map((each) => `${each.name}@${each.component}`).join(', ')
  throw new LeaseholdError('not-found', `There is no indicator ${asked.slice(0, 255)}; there are: ${known}.`)
}

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)
