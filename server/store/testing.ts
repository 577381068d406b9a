/** A store for tests: a PostgreSQL of its own in a temporary directory. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore, type Store } from './index.ts'

/** Starts and migrates it, about 1.5 s; `close` ends it and removes the directory. One per test file is enough. */
export async function testStore(): Promise<Store> {
  const dataDir = await mkdtemp(join(tmpdir(), 'leasehold-test-'))
  await chmod(dataDir, 0o755) // the server may run as another user
  const remove = () => rm(dataDir, { recursive: true, force: true })
  try {
    const store = await openStore({ dataDir })
    return { ...store, close: () => store.close().then(remove) }
  } catch (error) {
    await remove()
    throw error
  }
}
