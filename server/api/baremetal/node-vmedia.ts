/** Virtual media: images that a machine takes for discs in its drives. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import { callOf, type MediaType, type Medium, mediaTypes } from '../../hardware/index.ts'
import type { Node } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { nodeFor } from './node-access.ts'
import { askMachine, changeMachineNow, requireDriven } from './node-machine.ts'
import { list } from './query.ts'
import type { Call, Route } from './routes.ts'

const path = '/nodes/:node/vmedia'
const schemes = ['http:', 'https:', 'nfs:', 'cifs:', 'smb:']
const sources = ['http', 'local', 'swift'] as const

type Rule = `baremetal:node:vmedia:${'get' | 'attach' | 'detach'}`

export function mediaRoutes(deps: ApiDeps): Route[] {
  const management = (node: Node) => deps.hardware.implementation(node, 'management')
  const nodeOf = async (call: Call, rule: Rule) => {
    const node = await nodeFor(deps, call, call.params.node as string, rule)
    await requireDriven(deps, node, 'invalid')
    return node
  }
  return [
    {
      method: 'GET',
      path,
      summary: "List a node's virtual media",
      rules: ['baremetal:node:get', 'baremetal:node:vmedia:get'],
      since: 93,
      ok: 200,
      handler: async (call) => {
        const node = await nodeOf(call, 'baremetal:node:vmedia:get')
        const get = callOf(node, management(node), 'listMedia', 'get_virtual_media')
        return askMachine((bounds) => get(node, bounds))
      },
    },
    {
      method: 'POST',
      path,
      summary: 'Insert virtual media into a node',
      rules: ['baremetal:node:get', 'baremetal:node:vmedia:attach'],
      since: 89,
      body: Type.Object(
        {
          device_type: Type.String({ maxLength: 64 }),
          image_url: Type.String({ minLength: 1, maxLength: 4096 }),
          image_download_source: Type.Optional(Type.String({ maxLength: 64 })),
        },
        { additionalProperties: false },
      ),
      ok: 204,
      handler: async (call) => {
        const node = await nodeOf(call, 'baremetal:node:vmedia:attach')
        const medium = mediumOf(call.body as Record<string, string>)
        refuseInPowerFault(node)
        const attach = callOf(node, management(node), 'attachMedium', 'attach_virtual_media')
        const rules = ['baremetal:node:vmedia:attach'] as const
        await changeMachineNow(deps, call, node, rules, async (current, bounds) => ({
          changes: await attach(current, medium, bounds),
        }))
      },
    },
    {
      method: 'DELETE',
      path,
      summary: 'Eject virtual media from a node',
      rules: ['baremetal:node:get', 'baremetal:node:vmedia:detach'],
      since: 89,
      query: { device_types: list() },
      ok: 204,
      handler: async (call) => {
        const node = await nodeOf(call, 'baremetal:node:vmedia:detach')
        const types = askedTypes(call)?.map(mediaType) ?? mediaTypes
        refuseInPowerFault(node)
        const detach = callOf(node, management(node), 'detachMedia', 'detach_virtual_media')
        const rules = ['baremetal:node:vmedia:detach'] as const
        await changeMachineNow(deps, call, node, rules, async (current, bounds) => ({
          changes: await detach(current, types, bounds),
        }))
      },
    },
  ]
}

/** Those of the query, or, as openstacksdk sends them and Ironic takes them, those of a body. */
function askedTypes({ query, body }: Call): readonly string[] | undefined {
  if (query.device_types !== undefined) return query.device_types as string[]
  const types = (body as { device_types?: unknown } | null | undefined)?.device_types
  if (types == null) return undefined
  if (typeof types !== 'string') throw invalid('device_types must be text, with commas between its types.')
  return types.split(',')
}

function mediumOf(body: Record<string, string>): Medium {
  const { device_type = '', image_url = '', image_download_source = 'local' } = body
  const source = sources.find((each) => each === image_download_source)
  if (!source) throw invalid(`image_download_source must be one of ${sources.join(', ')}.`)
  if (!URL.canParse(image_url) || !schemes.includes(new URL(image_url).protocol))
    throw invalid(`image_url must be a URL of one of ${schemes.map((each) => each.slice(0, -1)).join(', ')}.`)
  return { device_type: mediaType(device_type), image_url, image_download_source: source }
}

function mediaType(asked: string): MediaType {
  const found = mediaTypes.find((each) => each === asked)
  if (found) return found
  throw invalid(`Invalid device type "${asked.slice(0, 64)}": use one of ${mediaTypes.join(', ')}.`)
}

/** A machine whose BMC does not answer is not asked. */
function refuseInPowerFault(node: Node): void {
  if (node.maintenance && node.fault === 'power failure')
    throw new LeaseholdError(
      'unavailable',
      `Node ${node.uuid} is in maintenance as its BMC does not answer (power failure); try again when it does.`,
    )
}

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)
