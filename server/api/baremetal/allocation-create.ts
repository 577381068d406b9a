/** Asking for a node: for any that suits, or for the record of one that the caller has already. */
import { randomUUID } from 'node:crypto'
import { LeaseholdError } from '../../errors.ts'
import type { Node } from '../../inventory/index.ts'
import {
  type Allocation,
  bindAllocation,
  insertAllocation,
  type NewAllocation,
} from '../../scheduling/index.ts'
import type { ApiDeps } from '../deps.ts'
import { candidatesOf, namedNode, ownerOfNew } from './allocation-access.ts'
import { type AllocationBody, allocationFields } from './allocation-fields.ts'
import { gateBody } from './fields.ts'
import { logicalNamePattern, normalUuid } from './identifiers.ts'
import { lockOptions, noteTarget } from './node-access.ts'
import { checkTrait } from './node-traits.ts'
import type { Call } from './routes.ts'
import { notAcceptable } from './versions.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)
const conflict = (message: string): LeaseholdError => new LeaseholdError('conflict', message)

/** `POST /v1/allocations`: the allocation as it begins; its node is looked for after the answer. */
export async function createAllocation(deps: ApiDeps, call: Call): Promise<Allocation> {
  const body = call.body as AllocationBody
  gateBody(allocationFields, body as Record<string, unknown>, call.version)
  const backfills = body.node !== undefined && body.node !== null
  if (backfills && call.version < 58) throw notAcceptable(58)
  const owner = ownerOfNew(deps, call, body.owner)
  const wanted = readBody(body)
  if (!backfills && !wanted.resource_class) throw invalid('The mandatory field resource_class is missing.')
  const candidates = await candidatesOf(deps, call, body.candidate_nodes ?? [])
  const allocation = { ...wanted, owner, candidate_nodes: candidates }
  if (backfills) return backfill(deps, call, allocation, body)
  if ((await deps.conductors.alive()).length === 0)
    throw new LeaseholdError('unavailable', 'Resource temporarily unavailable, please retry.', {
      retryAfterSeconds: 2,
    })
  const created = await insertAllocation(deps.db, allocation)
  noteTarget(call, 'allocation', created.uuid)
  deps.allocator.soon()
  return created
}

function readBody(body: AllocationBody): NewAllocation {
  const uuid = body.uuid === undefined ? randomUUID() : normalUuid(body.uuid)
  if (!uuid) throw invalid(`Expected a UUID for uuid but received ${body.uuid}.`)
  for (const trait of body.traits ?? []) checkTrait(trait)
  return {
    uuid,
    name: allocationName(body.name),
    state: 'allocating',
    resource_class: body.resource_class ?? null,
    traits: [...new Set(body.traits ?? [])].sort(),
    extra: JSON.stringify(body.extra ?? {}),
  }
}

/** @throws LeaseholdError 'invalid' for what no allocation may be called. */
export function allocationName(name: string | null | undefined): string | null {
  if (name === undefined || name === null) return null
  if (normalUuid(name))
    throw invalid(`The allocation name "${name}" looks like a UUID; choose a name that does not.`)
  if (!new RegExp(logicalNamePattern).test(name))
    throw invalid(`Invalid allocation name "${name.slice(0, 255)}": use 1 to 255 of A-Z a-z 0-9 - . _ ~`)
  return name
}

/** Records the allocation of an active node. */
async function backfill(
  deps: ApiDeps,
  call: Call,
  wanted: NewAllocation & { owner: string | null; candidate_nodes: string[] },
  body: AllocationBody,
): Promise<Allocation> {
  const node = await namedNode(deps, call, body.node as string)
  const allocation = await bindAllocation(deps.db, node, lockOptions(deps), (current) => {
    const uuid = body.uuid === undefined ? (current.instance_uuid ?? wanted.uuid) : wanted.uuid
    checkFits(current, { ...wanted, uuid })
    return { ...wanted, uuid, resource_class: wanted.resource_class ?? current.resource_class }
  })
  noteTarget(call, 'allocation', allocation.uuid, node)
  return allocation
}

/** @throws LeaseholdError 'conflict' for a node in another state or with another instance, 'invalid' for another kind. */
function checkFits(
  node: Node,
  wanted: NewAllocation & { owner: string | null; candidate_nodes: string[] },
): void {
  const { owner, traits = [] } = wanted
  if (owner !== null && node.owner !== owner && node.lessee !== owner)
    throw invalid(`Node ${node.uuid} is neither owned nor leased by the owner of the allocation.`)
  if (node.allocation_uuid) throw conflict(`Node ${node.uuid} has an allocation already.`)
  if (node.instance_uuid && node.instance_uuid !== wanted.uuid)
    throw conflict(
      `Node ${node.uuid} is associated with instance ${node.instance_uuid}; give that as uuid, or leave uuid out.`,
    )
  if (node.provision_state !== 'active')
    throw conflict(
      `Node ${node.uuid} can be allocated as it is only in state "active", not in "${node.provision_state}".`,
    )
  if (wanted.resource_class && wanted.resource_class !== node.resource_class)
    throw invalid(`Node ${node.uuid} does not have the resource class ${wanted.resource_class}.`)
  const missing = traits.filter((trait) => !node.traits.includes(trait))
  if (missing.length > 0) throw invalid(`Node ${node.uuid} does not have the traits ${missing.join(', ')}.`)
  if (wanted.candidate_nodes.length > 0 && !wanted.candidate_nodes.includes(node.uuid))
    throw invalid(`Node ${node.uuid} is not one of candidate_nodes.`)
}
