/** Which disk this is that journals are on: conductors that share one have the same. */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isUuid } from './journal/index.ts'

/** The id that lies beside the journals, made when there is none. Of a disk that refuses it is another one each time. */
export async function diskOf(journalRoot: string): Promise<string> {
  const file = join(journalRoot, 'disk-id')
  const fresh = randomUUID()
  try {
    await mkdir(journalRoot, { recursive: true, mode: 0o700 })
    await writeFile(file, fresh, { mode: 0o600, flag: 'wx' })
    return fresh
  } catch {
    const known = await readFile(file, 'utf8').catch(() => '')
    return isUuid(known) ? known : fresh
  }
}
