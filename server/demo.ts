/** `--demo`: three tenants and a lab of simulated machines, for a first try. Everything is made once. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { ensureAssignment, ensureProject, ensureUser } from './access/index.ts'
import type { Config } from './config.ts'
import type { Hardware } from './hardware/index.ts'
import { type Lab, type LabMachine, startLab } from './lab/index.ts'
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

export interface DemoDeps {
  config: Config
  db: Db
  hardware: Hardware
  log: Logger
  /** The password of a user that is made now. */
  passwordOf: (tenant: string) => Promise<string>
}

/** Starts the lab and adds what is not there yet. */
export async function startDemo(deps: DemoDeps): Promise<Lab> {
  const { config, log } = deps
  const projects = new Map<string, string>()
  for (const { name, role } of demoTenants) projects.set(name, await ensureTenant(deps, name, role))
  const lab = await startLab({
    count: machineCount,
    basePort: firstPort,
    statePath: join(config.data, 'lab.json'),
    onSaveError: (error) => log.error({ err: error }, "the lab's state could not be saved"),
  })
  try {
    for (const [index, machine] of lab.machines.entries())
      await ensureNode(deps, machine, {
        owner: index < ownedCount ? (projects.get('owner') ?? null) : null,
        lessee: index < leasedCount ? (projects.get('lessee') ?? null) : null,
      })
  } catch (error) {
    await lab.close()
    throw error
  }
  return lab
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

/** A node for the machine, ready to be used; where the machine's BMC has moved, the node follows it. */
async function ensureNode(
  { db, hardware }: DemoDeps,
  machine: LabMachine,
  tenants: { owner: string | null; lessee: string | null },
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
        interfaces: JSON.stringify(hardware.chooseInterfaces('ipmi', {})),
        properties: JSON.stringify({ cpu_arch: 'x86_64', cpus: 16, memory_mb: 65_536, local_gb: 480 }),
        resource_class: 'baremetal',
        description: 'A simulated machine of the demonstration lab',
        provision_state: 'available',
        console_enabled: true,
        provision_updated_at: new Date(),
        ...tenants,
      })
      .execute()
    for (const address of machine.macAddresses)
      await trx.insertInto('ports').values({ uuid: randomUUID(), node_uuid: uuid, address }).execute()
  })
}
