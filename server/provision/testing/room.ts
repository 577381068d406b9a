/** A provisioning room for tests: a database, machines that follow a script, and a conductor in this process. */
import { pino } from 'pino'
import { type Config, defaultConfig } from '../../config.ts'
import type { Node } from '../../hardware/index.ts'
import type { Store } from '../../store/index.ts'
import { testStore } from '../../store/testing.ts'
import { createProvisioner, type Provisioner, type Verb, type VerbOptions } from '../index.ts'
import { enrol, scriptedHardware } from './machines.ts'
import { readNode, settled } from './nodes.ts'

export interface Room {
  store: Store
  provisioner: Provisioner
  /** Effects so far, as `name uuid`. */
  effects: string[]
  /** What an effect does, by `name uuid`, in place of succeeding at once. */
  script: Map<string, (signal: AbortSignal) => Promise<undefined | 'wait'>>
  enrol(own?: Partial<Node>): Promise<string>
  begin(uuid: string, verb: Verb, options?: VerbOptions): Promise<unknown>
  /** Begins and waits until nobody works on the node. */
  go(uuid: string, verb: Verb, options?: VerbOptions): Promise<Node>
  close(): Promise<void>
}

export const caller = { userId: 'alice', projectId: 'acme' }

export async function openRoom(own: Partial<Config> = {}): Promise<Room> {
  const store = await testStore()
  const effects: string[] = []
  const script: Room['script'] = new Map()
  const hardware = scriptedHardware(async (effect, node, { signal }) => {
    effects.push(`${effect} ${node.uuid}`)
    return script.get(`${effect} ${node.uuid}`)?.(signal)
  })
  const config = defaultConfig({
    'conductor.host': 'here',
    'conductor.power_sync_seconds': 0,
    'conductor.heartbeat_seconds': 1,
    'conductor.liveness_seconds': 4,
    'conductor.lock_attempts': 2,
    'conductor.lock_interval_ms': 30,
    'conductor.step_timeout_seconds': 2,
    ...own,
  })
  const log = pino({ level: process.env.LOG_LEVEL ?? 'silent' })
  const provisioner = createProvisioner({ ...store, databaseUrl: store.url, hardware, config, log })
  await provisioner.start()
  const begin: Room['begin'] = async (uuid, verb, options = {}) =>
    provisioner.begin({ node: await readNode(store.db, uuid), verb, caller, options })
  return {
    store,
    provisioner,
    effects,
    script,
    enrol: (node) => enrol(store.db, node),
    begin,
    go: async (uuid, verb, options) => {
      await begin(uuid, verb, options)
      return settled(store.db, uuid)
    },
    close: async () => {
      await provisioner.stop()
      await store.close()
    },
  }
}
