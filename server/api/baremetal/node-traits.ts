/** The traits of a node. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import type { ApiDeps } from '../deps.ts'
import { changeAllowed, nodeFor } from './node-access.ts'
import type { Call, Route } from './routes.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

const traitName =
  /^(CUSTOM_[A-Z0-9_]+|(HW|COMPUTE|STORAGE|MISC|OWNER|HYPERVISOR|CONTAINER|MANAGER)_[A-Z0-9_]+)$/
const maximumTraits = 50

export function traitRoutes(deps: ApiDeps): Route[] {
  const path = '/nodes/:node/traits'
  const setRules = ['baremetal:node:get', 'baremetal:node:traits:set'] as const
  const deleteRules = ['baremetal:node:get', 'baremetal:node:traits:delete'] as const
  const write = async (
    call: Call,
    rule: 'baremetal:node:traits:set' | 'baremetal:node:traits:delete',
    change: (now: string[]) => string[],
  ) => {
    const node = await nodeFor(deps, call, call.params.node as string, rule)
    await changeAllowed(deps, call, node, [rule], (current) => {
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
        traits: (await nodeFor(deps, call, call.params.node as string, 'baremetal:node:traits:list')).traits,
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
              `Node ${call.params.node as string} doesn't have a trait '${trait.slice(0, 255)}'`,
            )
          return now.filter((each) => each !== trait)
        })
      },
    },
  ]
}

/** @throws LeaseholdError 'invalid' for what is neither a standard trait nor a custom one. */
export function checkTrait(trait: string): void {
  if (trait.length > 255 || !traitName.test(trait))
    throw invalid(
      `Invalid trait "${trait.slice(0, 255)}": use a standard trait or CUSTOM_ followed by A-Z, 0-9 and _, at most 255 characters.`,
    )
}
