/** Vendor methods: what a node's driver, or the driver itself, can do besides all that has a place of its own. */
import { LeaseholdError } from '../../errors.ts'
import {
  driverVendorMethods,
  type HttpMethod,
  httpMethods,
  vendorMethod,
  vendorMethodsOf,
} from '../../hardware/index.ts'
import type { ApiDeps } from '../deps.ts'
import { nodeFor, requireRule } from './node-access.ts'
import { askMachine, changeMachineNow, requireDriven } from './node-machine.ts'
import { text } from './query.ts'
import type { Call, Route } from './routes.ts'

const nodeRule = 'baremetal:node:vendor_passthru'
const driverRule = 'baremetal:driver:vendor_passthru'

export function nodePassthruRoutes(deps: ApiDeps): Route[] {
  const path = '/nodes/:node/vendor_passthru'
  const rules = ['baremetal:node:get', nodeRule] as const
  const nodeOf = async (call: Call) => {
    const node = await nodeFor(deps, call, call.params.node as string, nodeRule)
    await requireDriven(deps, node)
    return node
  }
  return [
    {
      method: 'GET',
      path: `${path}/methods`,
      summary: "List a node's vendor methods",
      rules,
      ok: 200,
      handler: async (call) => listed(vendorMethodsOf(deps.hardware, await nodeOf(call))),
    },
    ...calling(path, 'method', (method, name) => ({
      summary: `Call a node's vendor method with ${method}`,
      rules,
      handler: async (call) => {
        const node = await nodeOf(call)
        const asked = name(call)
        const found = vendorMethod(vendorMethodsOf(deps.hardware, node), asked, method)
        const args = argsOf(call)
        found.check?.(args)
        if (found.async) {
          const { userId, projectId } = call.caller
          const change = { kind: 'vendor', method: asked, args } as const
          await deps.provisioner.change({ node, change, caller: { userId, projectId } })
          call.status = 202
          return undefined
        }
        if (found.require_exclusive_lock)
          return changeMachineNow(deps, call, node, [nodeRule], (current, bounds) =>
            found.call(current, args, bounds),
          )
        return (await askMachine((bounds) => found.call(node, args, bounds))).answer
      },
    })),
  ]
}

/** `nameOf` finds the driver that a path names. */
export function driverPassthruRoutes(deps: ApiDeps, nameOf: (call: Call) => Promise<string>): Route[] {
  const path = '/drivers/:driver/vendor_passthru'
  const methodsOf = async (call: Call) => {
    requireRule(deps, call, driverRule)
    return driverVendorMethods(deps.hardware, await nameOf(call))
  }
  return [
    {
      method: 'GET',
      path: `${path}/methods`,
      summary: "List a driver's vendor methods",
      rules: [driverRule],
      ok: 200,
      handler: async (call) => listed(await methodsOf(call)),
    },
    ...calling(path, 'driverMethod', (method, name) => ({
      summary: `Call a driver's vendor method with ${method}`,
      rules: [driverRule],
      handler: async (call) => {
        const found = vendorMethod(await methodsOf(call), name(call), method)
        const args = argsOf(call)
        const answer = askMachine((bounds) => found.call(args, bounds))
        if (!found.async) return answer
        answer.catch((error: unknown) =>
          call.request.log.warn({ err: error, driver: call.params.driver }, 'a vendor method failed'),
        )
        call.status = 202
        return undefined
      },
    })),
  ]
}

/** A route for each HTTP method, with the vendor method named in the query or in the path. */
function calling(
  path: string,
  word: string,
  routeOf: (method: HttpMethod, name: (call: Call) => string) => Pick<Route, 'summary' | 'rules' | 'handler'>,
): Route[] {
  return httpMethods.flatMap((method): Route[] => [
    { method, path, query: { method: text() }, ok: 200, ...routeOf(method, nameInQuery) },
    { method, path: `${path}/:${word}`, ok: 200, ...routeOf(method, (call) => call.params[word] as string) },
  ])
}

function nameInQuery({ query }: Call): string {
  if (typeof query.method === 'string' && query.method !== '') return query.method
  throw new LeaseholdError('invalid', 'Method not specified: name it as ?method=.')
}

function argsOf({ body }: Call): Record<string, unknown> {
  if (body === undefined || body === null) return {}
  if (typeof body === 'object' && !Array.isArray(body)) return body as Record<string, unknown>
  throw new LeaseholdError('invalid', 'The arguments of a vendor method are a JSON object.')
}

const listed = (
  methods: Readonly<
    Record<
      string,
      {
        http_methods: readonly string[]
        async: boolean
        description: string
        require_exclusive_lock?: boolean
      }
    >
  >,
): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(methods).map(
      ([name, { http_methods, async, description, require_exclusive_lock = false }]) => [
        name,
        { http_methods, async, description, attach: false, require_exclusive_lock },
      ],
    ),
  )
