/** A process that keeps switches until it is killed: it says when it has half done a change, and never ends it. */
import { appendFileSync } from 'node:fs'
import { pino } from 'pino'
import { defaultConfig } from '../../config.ts'
import { openStore } from '../../store/index.ts'
import { createNetworking } from '../networking.ts'
import { openVault } from '../vault.ts'

const [url = '', keyFile = '', report = ''] = process.argv.slice(2)
const store = await openStore({ url, dataDir: '', poolSize: 4 })
const networking = createNetworking({
  db: store.db,
  databaseUrl: url,
  config: defaultConfig({ 'networking.retry_ms': 20 }),
  log: pino({ level: 'silent' }),
  vault: await openVault(keyFile),
  open: () => ({
    read: async () => ({ vlans: new Map(), ports: new Map() }),
    plan: async () => ({ steps: [], lines: [], differences: [] }),
    apply: async (wanted) => {
      appendFileSync(report, `${JSON.stringify(wanted)}\n`)
      return new Promise(() => {})
    },
    watch: undefined,
    close: async () => {},
  }),
})
await networking.start()
