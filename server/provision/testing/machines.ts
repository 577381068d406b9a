/** Hardware whose machines do what a test says: every effect asks the test's script what becomes of it. */
import { randomUUID } from 'node:crypto'
import { LeaseholdError } from '../../errors.ts'
import {
  type Bounds,
  type Hardware,
  type HardwareType,
  type Implementation,
  interfaceTypes,
  type Node,
  type PowerState,
  powerTargets,
  type Step,
} from '../../hardware/index.ts'
import type { Db } from '../../store/index.ts'

/** Called for each effect by its name (`power.getState`, `deploy.write`); may wait, throw, or answer 'wait'. */
export type Script = (effect: string, node: Node, bounds: Bounds) => Promise<undefined | 'wait'>

/** Effects of each workflow on these machines, in their order. */
export const effects = {
  manage: ['power.getState', 'management.check'],
  provide: ['deploy.erase_metadata', 'deploy.erase'],
  active: ['deploy.prepare', 'deploy.write', 'deploy.boot'],
  deleted: ['power.off', 'deploy.erase_metadata', 'deploy.erase'],
  inspect: ['inspect.inspect'],
  rescue: ['rescue.rescue'],
  unrescue: ['rescue.unrescue'],
  adopt: ['power.getState'],
} as const

/** A machine turns off only for `power off`; what it is otherwise is what its row says. */
export function scriptedHardware(script: Script): Hardware {
  const step = (
    kind: Step['kind'],
    on: Step['interface'],
    name: string,
    priority: number,
    abortable = false,
  ): Step => ({
    kind,
    interface: on,
    step: name,
    priority,
    abortable,
    run: (node, _args, bounds) => script(`${on}.${name}`, node, bounds),
  })
  const plain: Implementation = { name: 'fake', properties: {}, validate: refuseNonsense }
  const type: HardwareType = {
    name: 'fake-hardware',
    interfaces: {
      bios: [plain],
      boot: [plain],
      console: [plain],
      firmware: [plain],
      network: [plain],
      raid: [plain],
      storage: [plain],
      vendor: [plain],
      deploy: [
        {
          ...plain,
          steps: [
            step('deploy', 'deploy', 'prepare', 100),
            step('deploy', 'deploy', 'write', 80),
            step('deploy', 'deploy', 'boot', 20),
            step('clean', 'deploy', 'erase_metadata', 99, true),
            step('clean', 'deploy', 'erase', 10),
            step('clean', 'deploy', 'burn_in', 0),
            step('service', 'deploy', 'update', 0, true),
          ],
        },
      ],
      management: [
        {
          ...plain,
          steps: [step('verify', 'management', 'check', 10)],
          supportedBootDevices: () => ['disk'],
          getBootDevice: async () => ({ boot_device: null, persistent: null }),
          setBootDevice: async () => {},
        },
      ],
      inspect: [
        {
          ...plain,
          inspect: async (node, bounds) =>
            (await script('inspect.inspect', node, bounds)) ?? { properties: { cpus: 8 } },
          abort: async (node, bounds) => {
            await script('inspect.abort', node, bounds)
          },
        },
      ],
      power: [
        {
          ...plain,
          supported: powerTargets,
          getState: async (node, bounds) => {
            await script('power.getState', node, bounds)
            return (node.power_state as PowerState | null) ?? 'power on'
          },
          setState: async (node, target, bounds) => {
            await script(`power.${target.replace('power ', '').replace(' ', '_')}`, node, bounds)
          },
        },
      ],
      rescue: [
        {
          ...plain,
          rescue: (node, bounds) => script('rescue.rescue', node, bounds),
          unrescue: async (node, bounds) => {
            await script('rescue.unrescue', node, bounds)
          },
        },
      ],
    },
  }
  return {
    types: new Map([[type.name, type]]),
    implementation: (_node, wanted) => type.interfaces[wanted][0] as never,
    chooseInterfaces: () => fakeInterfaces,
    close: async () => {},
  }
}

const fakeInterfaces = Object.fromEntries(interfaceTypes.map((each) => [each, 'fake'])) as Record<
  (typeof interfaceTypes)[number],
  string
>

function refuseNonsense(node: Node): void {
  if (node.driver_info.nonsense)
    throw new LeaseholdError('invalid', 'driver_info: nonsense is not allowed; remove it.')
}

/** Enrols nodes, in a state of one's choice. Returns the first's UUID. */
export async function enrol(db: Db, own: Partial<Node> = {}, count = 1): Promise<string> {
  const rows = Array.from({ length: count }, () => ({
    uuid: randomUUID(),
    driver: 'fake-hardware',
    provision_state: own.provision_state ?? 'enroll',
    target_provision_state: own.target_provision_state ?? null,
    power_state: own.power_state ?? null,
    maintenance: own.maintenance ?? false,
    fault: own.fault ?? null,
    retired: own.retired ?? false,
    protected: own.protected ?? false,
    owner: own.owner ?? null,
    lessee: own.lessee ?? null,
    instance_uuid: own.instance_uuid ?? null,
    instance_name: own.instance_name ?? null,
    automated_clean: own.automated_clean ?? null,
    disable_power_off: own.disable_power_off ?? false,
    conductor_group: own.conductor_group ?? '',
    reservation: own.reservation ?? null,
    provision_updated_at: new Date(),
    interfaces: JSON.stringify(fakeInterfaces),
    driver_info: JSON.stringify(own.driver_info ?? {}),
    instance_info: JSON.stringify(own.instance_info ?? {}),
    driver_internal_info: '{}',
    properties: '{}',
    extra: '{}',
    clean_step: '{}',
    deploy_step: '{}',
    service_step: '{}',
    raid_config: '{}',
    target_raid_config: '{}',
    network_data: '{}',
  }))
  await db.insertInto('nodes').values(rows).execute()
  return rows[0]?.uuid ?? ''
}
