/** A journal in a file, for tests. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Journal } from '../types.ts'

export const fileJournal = (path: string): Journal => ({
  read: async () => JSON.parse(await readFile(path, 'utf8').catch(() => 'null')) as unknown,
  write: async (entry) => {
    await writeFile(`${path}.new`, JSON.stringify(entry))
    await rename(`${path}.new`, path)
  },
})
