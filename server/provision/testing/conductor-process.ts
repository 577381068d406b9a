/**
 * A conductor as a process of its own, to be killed by tests. Its machines write each effect's start and end into a
 * file, with the process's name; a node whose driver_info.hang is `start:deploy.write` hangs there for ever in the
 * process that driver_info.hang_in names. Arguments: database URL, file, name of the process, settings as JSON.
 */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { defaultConfig } from '../../config.ts'
import { openStore } from '../../store/index.ts'
import { createProvisioner } from '../index.ts'
import { scriptedHardware } from './machines.ts'

const [url = '', file = '', name = '', settings = '{}'] = process.argv.slice(2)
const config = defaultConfig({ 'conductor.power_sync_seconds': 0, ...JSON.parse(settings) })
const store = await openStore({ url, dataDir: '/nonexistent' })
const hardware = scriptedHardware(async (effect, node) => {
  const reach = async (point: string) => {
    appendFileSync(file, `${name} ${node.uuid} ${point} ${effect}\n`)
    if (node.driver_info.hang === `${point}:${effect}` && node.driver_info.hang_in === name)
      await new Promise(() => setInterval(() => {}, 60_000))
  }
  await reach('start')
  await sleep(Number(node.driver_info.half_ms ?? 5))
  await reach('middle')
  await sleep(Number(node.driver_info.half_ms ?? 5))
  await reach('end')
  return undefined
})
const provisioner = createProvisioner({
  ...store,
  databaseUrl: url,
  hardware,
  config,
  log: pino({ level: process.env.LOG_LEVEL ?? 'silent' }),
})
await provisioner.start()
process.stdout.write('ready\n')
process.on('SIGTERM', () => void provisioner.stop().then(() => process.exit(0)))
// Nobody is left to kill it: it ends with the test that started it.
process.stdin.on('end', () => process.exit(0)).resume()
