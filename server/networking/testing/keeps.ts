/** A process that keeps switches, with the drivers that there are, until it is killed. */
import { pino } from 'pino'
import { defaultConfig } from '../../config.ts'
import { openStore } from '../../store/index.ts'
import { createNetworking } from '../networking.ts'
import { openVault } from '../vault.ts'

const [url = '', keyFile = ''] = process.argv.slice(2)
const store = await openStore({ url, dataDir: '', poolSize: 4 })
await createNetworking({
  db: store.db,
  databaseUrl: url,
  config: defaultConfig({ 'networking.retry_ms': 20 }),
  log: pino({ level: 'silent' }),
  vault: await openVault(keyFile),
}).start()
