/**
 * How many provisioning transitions a second the provisioning room makes by itself (no HTTP): fake machines going
 * round enroll, manageable, available, active, available. Usage: node bench/provision-rooms.ts [seconds] [orders at once]
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { defaultConfig } from '../server/config.ts'
import { createHardware } from '../server/hardware/index.ts'
import { createProvisioner, type Verb } from '../server/provision/index.ts'
import { openStore } from '../server/store/index.ts'

const seconds = Number(process.argv[2] ?? 10)
const atOnce = Number(process.argv[3] ?? 16)
const round: readonly (readonly [Verb, string])[] = [
  ['manage', 'manageable'],
  ['provide', 'available'],
  ['active', 'active'],
  ['deleted', 'available'],
]

const dataDir = await mkdtemp(join(tmpdir(), 'leasehold-bench-'))
const log = pino({ level: 'warn' })
const config = defaultConfig({ 'conductor.power_sync_seconds': 0 })
const store = await openStore({ dataDir })
const hardware = createHardware({ config, log })
const provisioner = createProvisioner({ ...store, databaseUrl: store.url, hardware, config, log })
await provisioner.start()
const caller = { userId: 'bench', projectId: 'bench' }
const durations: number[] = []
const until = Date.now() + seconds * 1000
const begunAt = Date.now()
const cpu = process.cpuUsage()
await Promise.all(Array.from({ length: atOnce }, goRound))
const wall = (Date.now() - begunAt) / 1000
const used = process.cpuUsage(cpu)
durations.sort((a, b) => a - b)
const at = (share: number) => durations[Math.floor(durations.length * share)]?.toFixed(1)
console.log(`transitions/s            ${(durations.length / wall).toFixed(0)}`)
console.log(`milliseconds each        median ${at(0.5)}, 99 % ${at(0.99)}`)
console.log(
  `CPU of this process      ${((used.user + used.system) / 1000 / durations.length).toFixed(2)} ms each`,
)
await provisioner.stop()
await hardware.close()
await store.close()
await rm(dataDir, { recursive: true, force: true })

async function goRound(): Promise<void> {
  while (Date.now() < until) {
    const uuid = randomUUID()
    await store.db
      .insertInto('nodes')
      .values({
        uuid,
        driver: 'fake-hardware',
        provision_state: 'enroll',
        interfaces: JSON.stringify(hardware.chooseInterfaces('fake-hardware', {})),
        driver_info: '{}',
        driver_internal_info: '{}',
        properties: '{}',
        instance_info: '{}',
        extra: '{}',
        clean_step: '{}',
        deploy_step: '{}',
        service_step: '{}',
        raid_config: '{}',
        target_raid_config: '{}',
        network_data: '{}',
      })
      .execute()
    for (const [verb, end] of round) {
      const node = await read(uuid)
      const started = performance.now()
      await provisioner.begin({ node, verb, caller })
      for (;;) {
        const now = await glance(uuid)
        if (now.provision_state === end) break
        if (!now.reservation) throw new Error(`${verb} ended in ${now.provision_state}: ${now.last_error}`)
        await sleep(20)
      }
      durations.push(performance.now() - started)
    }
  }
}

function glance(uuid: string) {
  return store.db
    .selectFrom('nodes')
    .select(['provision_state', 'reservation', 'last_error'])
    .where('uuid', '=', uuid)
    .executeTakeFirstOrThrow()
}

function read(uuid: string) {
  return store.db.selectFrom('nodes').selectAll().where('uuid', '=', uuid).executeTakeFirstOrThrow()
}
