/** Switches and their ports: the operator's, and nobody else's. Leasehold's own. */
import { randomUUID } from 'node:crypto'
import { drivers } from '@leasehold/switches'
import { LeaseholdError } from '../../errors.ts'
import {
  type Credentials,
  changeSwitch,
  deleteSwitch,
  deleteSwitchPort,
  findSwitch,
  insertSwitch,
  listSwitches,
  listSwitchPorts,
  putSwitchPorts,
  type Switch,
  type SwitchChanges,
  type SwitchPortRow,
} from '../../networking/index.ts'
import { lookupOf } from '../baremetal/identifiers.ts'
import { applyPatch, type PatchOperation, patchBody } from '../baremetal/json-patch.ts'
import { noteTarget, requireRule } from '../baremetal/node-access.ts'
import { nextLink, pageOf } from '../baremetal/page.ts'
import { limit, uuid } from '../baremetal/query.ts'
import type { Call, Route } from '../baremetal/routes.ts'
import type { ApiDeps } from '../deps.ts'
import { validatorOf } from '../validate.ts'
import {
  newSwitchBody,
  portName,
  type SwitchInput,
  type SwitchPortInput,
  showSwitch,
  showSwitchPort,
  switchPortBody,
  wholeSwitch,
} from './switch-fields.ts'

export function switchRoutes(deps: ApiDeps): Route[] {
  const one = '/switches/:switch'
  const port = `${one}/ports/:switchPort`
  const reading = { method: 'GET', rules: ['leasehold:switch:get'], ok: 200 } as const
  const updating = { rules: ['leasehold:switch:update'] } as const
  return [
    {
      ...reading,
      path: '/switches',
      summary: 'List switches (Leasehold’s own)',
      query: { limit, marker: uuid() },
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:switch:get')
        const page = pageOf(call.query, deps.config['api.max_limit'])
        const rows = await listSwitches(deps.db, page.marker, page.limit)
        const next = nextLink(`${call.base}/v1/switches`, call.query, page, rows)
        return { switches: rows.map(showSwitch), ...next }
      },
    },
    {
      method: 'POST',
      path: '/switches',
      summary: 'Add a switch (Leasehold’s own)',
      rules: ['leasehold:switch:create'],
      body: newSwitchBody,
      ok: 201,
      handler: (call) => create(deps, call),
    },
    {
      ...reading,
      path: one,
      summary: 'Show a switch (Leasehold’s own)',
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:switch:get')
        return showSwitch(await switchFor(deps, call))
      },
    },
    {
      ...updating,
      method: 'PATCH',
      path: one,
      summary: 'Change a switch (Leasehold’s own)',
      body: patchBody,
      ok: 200,
      handler: (call) => update(deps, call),
    },
    {
      method: 'DELETE',
      path: one,
      summary: 'Remove a switch that has no ports (Leasehold’s own)',
      rules: ['leasehold:switch:delete'],
      ok: 204,
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:switch:delete')
        await deleteSwitch(deps.db, await switchFor(deps, call))
      },
    },
    {
      ...reading,
      path: `${one}/ports`,
      summary: "List a switch's ports, with what is wanted of each (Leasehold’s own)",
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:switch:get')
        const { id } = await switchFor(deps, call)
        return { ports: (await listSwitchPorts(deps.db, id)).map(showSwitchPort) }
      },
    },
    {
      ...reading,
      path: port,
      summary: "Show a switch's port (Leasehold’s own)",
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:switch:get')
        return showSwitchPort(await portFor(deps, call))
      },
    },
    {
      ...updating,
      method: 'PUT',
      path: port,
      summary: 'Say what a port of a switch is for, and whose nodes may be on it (Leasehold’s own)',
      body: switchPortBody,
      ok: 200,
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:switch:update')
        const { id } = await switchFor(deps, call)
        const name = portName(call.params.switchPort as string)
        await putSwitchPorts(deps.db, id, [{ ...(call.body as SwitchPortInput), name }])
        return showSwitchPort(await portFor(deps, call))
      },
    },
    {
      ...updating,
      method: 'DELETE',
      path: port,
      summary: 'Remove a port of a switch: it is not touched any more (Leasehold’s own)',
      ok: 204,
      handler: async (call) => {
        requireRule(deps, call, 'leasehold:switch:update')
        await deleteSwitchPort(deps.db, await portFor(deps, call))
      },
    },
  ]
}

async function switchFor(deps: ApiDeps, call: Call): Promise<Switch> {
  const ident = call.params.switch as string
  const by = lookupOf(ident, true)
  const found = by && (await findSwitch(deps.db, by))
  if (!found) throw new LeaseholdError('not-found', `Switch ${ident.slice(0, 255)} could not be found.`)
  noteTarget(call, 'switch', found.uuid)
  return found
}

async function portFor(deps: ApiDeps, call: Call): Promise<SwitchPortRow> {
  const { id } = await switchFor(deps, call)
  const name = portName(call.params.switchPort as string)
  const [port] = await listSwitchPorts(deps.db, id, name)
  if (!port) throw new LeaseholdError('not-found', `Switch port ${name} could not be found.`)
  return port
}

/** The columns of a switch that a body has; credentials are sealed for it. @throws LeaseholdError 'invalid' */
export function columnsOf(
  deps: Pick<ApiDeps, 'vault'>,
  uuid: string,
  input: SwitchInput,
): Omit<SwitchChanges, 'credentials'> {
  const { credentials, chassis_ids, trust, options, ...plain } = input
  if (!Object.hasOwn(drivers, plain.driver))
    throw new LeaseholdError('invalid', `driver must be one of ${Object.keys(drivers).join(', ')}.`)
  return {
    ...plain,
    chassis_ids: chassis_ids.map((id) => id.toLowerCase()),
    trust: JSON.stringify(trust),
    options: JSON.stringify(options),
    ...(credentials === undefined
      ? {}
      : {
          sealed_credentials: credentials === null ? null : deps.vault.seal(uuid, credentials as Credentials),
        }),
  }
}

/** What a switch is that says nothing else. */
export const usual = { chassis_ids: [], physical_network: 'default', trust: {}, options: {} }

async function create(deps: ApiDeps, call: Call): Promise<unknown> {
  requireRule(deps, call, 'leasehold:switch:create')
  const uuid = randomUUID()
  const input = { ...usual, ...(call.body as SwitchInput) }
  const row = await insertSwitch(deps.db, {
    ...(columnsOf(deps, uuid, input) as SwitchInput & { trust: string; options: string }),
    uuid,
  } as never)
  noteTarget(call, 'switch', row.uuid)
  call.reply.header('location', `${call.base}/v1/switches/${row.uuid}`)
  return showSwitch(row)
}

const checkWhole = validatorOf(wholeSwitch)

async function update(deps: ApiDeps, call: Call): Promise<unknown> {
  requireRule(deps, call, 'leasehold:switch:update')
  const { uuid } = await switchFor(deps, call)
  const row = await changeSwitch(deps.db, uuid, (current) => {
    const before = Object.fromEntries(
      Object.keys(wholeSwitch.properties)
        .filter((name) => name !== 'credentials')
        .map((name) => [name, current[name as keyof Switch]]),
    )
    // Those that are there are not read here: a patch names them whole, or leaves them.
    const { result } = applyPatch(before, call.body as PatchOperation[], usual)
    checkWhole({ credentials: null, ...result })
    return columnsOf(deps, uuid, result as SwitchInput)
  })
  return showSwitch(row)
}
