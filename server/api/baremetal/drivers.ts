/** Drivers: the hardware types that living conductors serve. */
import { LeaseholdError } from '../../errors.ts'
import {
  driverProperties,
  type InterfaceType,
  interfaceTypes,
  raidProperties,
  unsupported,
} from '../../hardware/index.ts'
import type { Conductor } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { chooseFields, type Field, selfLinks } from './fields.ts'
import { requireRule } from './node-access.ts'
import { driverPassthruRoutes } from './node-passthru.ts'
import { boolean, fields, text } from './query.ts'
import type { Call, Route } from './routes.ts'

interface Driver {
  name: string
  hosts: string[]
  interfaces: Record<string, { default: string; enabled: string[] }>
}

const interfaceSince: Partial<Record<InterfaceType, number>> = {
  storage: 33,
  rescue: 38,
  bios: 40,
  firmware: 86,
}

/** A driver's fields; those of interfaces only on full answers. */
const driverFields: readonly Field<Driver>[] = [
  { name: 'name', since: 1, columns: [], show: (driver) => driver.name },
  { name: 'hosts', since: 1, columns: [], show: (driver) => driver.hosts },
  { name: 'type', since: 30, columns: [], show: () => 'dynamic' },
  ...interfaceTypes.flatMap((type): Field<Driver>[] => {
    const since = interfaceSince[type] ?? 30
    return [
      {
        name: `default_${type}_interface`,
        since,
        columns: [],
        show: (driver) => driver.interfaces[type]?.default ?? null,
      },
      {
        name: `enabled_${type}_interfaces`,
        since,
        columns: [],
        show: (driver) => driver.interfaces[type]?.enabled ?? [],
      },
    ]
  }),
  {
    name: 'properties',
    since: 14,
    columns: [],
    show: (driver, view) => selfLinks(view.base, `drivers/${driver.name}/properties`),
  },
]
const shortFields = ['name', 'hosts', 'type', 'properties']

export function driverRoutes(deps: ApiDeps): Route[] {
  const since77 = { fields: { ...(fields.fields as NonNullable<typeof fields.fields>), since: 77 } }
  return [
    {
      method: 'GET',
      path: '/drivers',
      summary: 'List drivers',
      rules: ['baremetal:driver:get'],
      query: { type: text(30), detail: boolean(30), ...since77 },
      ok: 200,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:driver:get')
        const {
          type,
          detail,
          fields: asked,
        } = call.query as { type?: string; detail?: boolean; fields?: string[] }
        if (type !== undefined && type !== 'classic' && type !== 'dynamic')
          throw new LeaseholdError(
            'invalid',
            `Invalid driver type "${type.slice(0, 100)}": use dynamic or classic.`,
          )
        if (detail && asked)
          throw new LeaseholdError('invalid', "Can't fetch a subset of fields with 'detail' set")
        const shown = chooseFields(driverFields, asked, call.version, detail ? undefined : shortFields)
        // Every hardware type is dynamic.
        const drivers = type === 'classic' ? [] : driversOf(await deps.conductors.alive())
        return { drivers: drivers.map((driver) => show(call, driver, shown)) }
      },
    },
    {
      method: 'GET',
      path: '/drivers/:driver',
      summary: 'Show a driver',
      rules: ['baremetal:driver:get'],
      query: since77,
      ok: 200,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:driver:get')
        return show(
          call,
          await driverNamed(deps, call),
          chooseFields(driverFields, call.query.fields as string[] | undefined, call.version),
        )
      },
    },
    {
      method: 'GET',
      path: '/drivers/:driver/properties',
      summary: "Describe a driver's driver_info",
      rules: ['baremetal:driver:get_properties'],
      ok: 200,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:driver:get_properties')
        return driverProperties(deps.hardware, (await driverNamed(deps, call)).name)
      },
    },
    {
      method: 'GET',
      path: '/drivers/:driver/raid/logical_disk_properties',
      summary: 'Describe what a driver knows of logical disks',
      rules: ['baremetal:driver:get_raid_logical_disk_properties'],
      since: 12,
      below: 406,
      ok: 200,
      handler: async (call) => {
        requireRule(deps, call, 'baremetal:driver:get_raid_logical_disk_properties')
        const { name } = await driverNamed(deps, call)
        const properties = raidProperties(deps.hardware, name)
        if (!properties) throw new LeaseholdError('not-found', unsupported({ driver: name }, 'raid').message)
        return properties
      },
    },
    ...driverPassthruRoutes(deps, async (call) => (await driverNamed(deps, call)).name),
  ]
}

function driversOf(alive: readonly Conductor[]): Driver[] {
  const drivers = new Map<string, Driver>()
  for (const conductor of alive)
    for (const [name, interfaces] of Object.entries(conductor.drivers)) {
      const known = drivers.get(name)
      if (known) known.hosts.push(conductor.hostname)
      else drivers.set(name, { name, hosts: [conductor.hostname], interfaces })
    }
  return [...drivers.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function driverNamed(deps: ApiDeps, call: Call): Promise<Driver> {
  const name = call.params.driver as string
  const driver = driversOf(await deps.conductors.alive()).find((each) => each.name === name)
  if (!driver) throw new LeaseholdError('not-found', `The driver '${name.slice(0, 255)}' is unknown.`)
  return driver
}

function show(call: Call, driver: Driver, shown: readonly Field<Driver>[]): Record<string, unknown> {
  const view = { version: call.version, base: call.base }
  return {
    ...Object.fromEntries(shown.map((field) => [field.name, field.show(driver, view)])),
    links: selfLinks(call.base, `drivers/${driver.name}`),
  }
}
