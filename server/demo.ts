/** `--demo`: three tenants, a lab of simulated machines and a switch, for a first try. Everything is made once. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { ensureAssignment, ensureProject, ensureUser } from './access/index.ts'
import { putSwitch } from './api/networking/switches-file.ts'
import type { Config } from './config.ts'
import { messageOf } from './errors.ts'
import type { Hardware } from './hardware/index.ts'
import { type LabMachine, type LabSwitch, startLab, startLabSwitch } from './lab/index.ts'
import {
  findSwitch,
  forgetVerified,
  insertPool,
  listPools,
  listSwitchPorts,
  type Vault,
} from './networking/index.ts'
import type { Db } from './store/index.ts'

/** The tenants, each a project with one user of the same name. Nobody here has a right on the system. */
export const demoTenants = [
  // An administrator of its own project may enrol and delete that project's machines.
  { name: 'owner', role: 'admin' },
  { name: 'lessee', role: 'manager' },
  { name: 'stranger', role: 'admin' },
] as const

const machineCount = 12
const ownedCount = 6
const leasedCount = 2
const firstPort = 6231
/** Those whose first port is plugged into the switch; the networks of the others are set by nobody. */
const pluggedMachines = ['machine-5', 'machine-6']
const switchName = 'lab-switch'
const chassisId = '00:1b:54:aa:00:01'

export interface DemoDeps {
  config: Config
  db: Db
  hardware: Hardware
  log: Logger
  vault: Vault
  /** The password of a user that is made now. */
  passwordOf: (tenant: string) => Promise<string>
}

export interface Demo {
  /** The switch of the lab. */
  readonly labSwitch: LabSwitch
  close(): Promise<void>
}

/** Starts the lab and adds what is not there yet. */
export async function startDemo(deps: DemoDeps): Promise<Demo> {
  const { config, log } = deps
  const projects = new Map<string, string>()
  for (const { name, role } of demoTenants) projects.set(name, await ensureTenant(deps, name, role))
  const lab = await startLab({
    count: machineCount,
    basePort: firstPort,
    statePath: join(config.data, 'lab.json'),
    onSaveError: (error) => log.error({ err: error }, "the lab's state could not be saved"),
  })
  const opened: { close(): Promise<void> }[] = [lab]
  const close = async () => {
    await Promise.all(opened.map((each) => each.close()))
  }
  try {
    const labSwitch = await startLabSwitch(machineCount)
    opened.push(labSwitch)
    const tenantsOf = (index: number) => ({
      owner: index < ownedCount ? (projects.get('owner') ?? null) : null,
      lessee: index < leasedCount ? (projects.get('lessee') ?? null) : null,
    })
    const ports = labSwitch.ports.map((name, index) => ({ name, owner: tenantsOf(index).owner }))
    await ensureSwitch(deps, labSwitch, ports)
    for (const [index, machine] of lab.machines.entries())
      await ensureNode(deps, machine, {
        ...tenantsOf(index),
        switchPort: pluggedMachines.includes(machine.name) ? ports[index]?.name : undefined,
      })
    return { labSwitch, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function ensureTenant(
  { db, passwordOf }: DemoDeps,
  name: string,
  role: (typeof demoTenants)[number]['role'],
): Promise<string> {
  const project = await ensureProject(db, { name, description: `Demonstration: ${name}` })
  const user = await ensureUser(db, { name, password: await passwordOf(name), defaultProjectId: project.id })
  await ensureAssignment(db, { userId: user.id, role, projectId: project.id })
  return project.id
}

/** Where the switch is this time, and how to get in. Its ports and a pool of VLANs are made once. */
async function ensureSwitch(
  { db, log, vault }: DemoDeps,
  labSwitch: LabSwitch,
  ports: readonly { name: string; owner: string | null }[],
): Promise<void> {
  const known = await findSwitch(db, { name: switchName })
  if (!known && (await listPools(db)).length === 0)
    await insertPool(db, { name: 'tenants', physical_network: 'default', ranges: '100-199' }).catch((error) =>
      // Somebody has given these VLANs to something else.
      log.warn({ reason: messageOf(error) }, 'the demonstration goes on without a VLAN pool'),
    )
  const hasPorts = known !== undefined && (await listSwitchPorts(db, known.id)).length > 0
  const { driver, address, port, trust } = labSwitch.nxapi()
  await putSwitch(
    { db, vault },
    {
      name: switchName,
      driver,
      address: `${address}:${port}`,
      chassis_ids: [chassisId],
      physical_network: 'default',
      options: {},
      quarantine_vlan: 999,
      credentials: labSwitch.credentials,
      trust: { certificates: [...(trust.certificates ?? [])] },
      ports: hasPorts
        ? {}
        : Object.fromEntries(ports.map(({ name, owner }) => [name, { kind: 'node', owner }])),
    },
  )
  if (known) await forgetVerified(db, known.id)
}

/** A node for the machine, ready to be used; where the machine's BMC has moved, the node follows it. */
async function ensureNode(
  { db, hardware }: DemoDeps,
  machine: LabMachine,
  { switchPort, ...tenants }: { owner: string | null; lessee: string | null; switchPort: string | undefined },
): Promise<void> {
  const name = machine.name
  const info = {
    ipmi_address: machine.address,
    ipmi_port: machine.port,
    ipmi_username: machine.username,
    ipmi_password: machine.password,
  }
  const known = await db
    .selectFrom('nodes')
    .select(['uuid', 'driver_info'])
    .where('name', '=', name)
    .executeTakeFirst()
  if (known) {
    if (known.driver_info.ipmi_port !== machine.port)
      await db
        .updateTable('nodes')
        .set({ driver_info: JSON.stringify({ ...known.driver_info, ipmi_port: machine.port }) })
        .where('uuid', '=', known.uuid)
        .execute()
    return
  }
  await db.transaction().execute(async (trx) => {
    const uuid = randomUUID()
    await trx
      .insertInto('nodes')
      .values({
        uuid,
        name,
        driver: 'ipmi',
        driver_info: JSON.stringify(info),
        interfaces: JSON.stringify(
          hardware.chooseInterfaces('ipmi', switchPort ? { network: 'switch' } : {}),
        ),
        properties: JSON.stringify({ cpu_arch: 'x86_64', cpus: 16, memory_mb: 65_536, local_gb: 480 }),
        resource_class: 'baremetal',
        description: 'A simulated machine of the demonstration lab',
        provision_state: 'available',
        console_enabled: true,
        provision_updated_at: new Date(),
        ...tenants,
      })
      .execute()
    for (const [index, address] of machine.macAddresses.entries()) {
      const link =
        index === 0 && switchPort
          ? { switch_info: switchName, switch_id: chassisId, port_id: switchPort }
          : undefined
      await trx
        .insertInto('ports')
        .values({
          uuid: randomUUID(),
          node_uuid: uuid,
          address,
          ...(link ? { local_link_connection: JSON.stringify(link) } : {}),
        })
        .execute()
    }
  })
}
