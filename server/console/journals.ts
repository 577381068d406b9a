/** The journals on this host's disk: where they are, how much of them may be, and which are nobody's any more. */
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Db } from '../store/index.ts'
import { tenantsOfJournals } from './consoles.sql.ts'
import { journalDirectory, type Limits, removeJournal, sweep } from './journal/index.ts'

export interface Journals {
  readonly root: string
  readonly limits: Limits
  directoryOf(journal: string): string
  /** Removes the journal of a console that is gone with its node; elsewhere the sweep does. Never throws. */
  forget(journal: string): Promise<void>
  /** Keeps all within their bounds, and removes those of consoles that are gone. */
  sweep(): Promise<void>
}

export function createJournals({ db, config, log }: { db: Db; config: Config; log: Logger }): Journals {
  const root = join(config.data, 'consoles')
  const limits: Limits = {
    segmentBytes: 1024 * 1024,
    maxBytes: config['console.journal_mb_per_node'] * 1024 * 1024,
    maxAgeMs: config['console.journal_days'] * 86_400_000,
  }
  const directoryOf = (journal: string): string => journalDirectory(root, journal)
  return {
    root,
    limits,
    directoryOf,
    async forget(journal) {
      try {
        const known = await tenantsOfJournals(db, [journal])
        if (known.size === 0) await removeJournal(directoryOf(journal))
      } catch (error) {
        log.warn({ err: error, journal }, 'a journal could not be removed; the sweep tries it again')
      }
    },
    async sweep() {
      await sweep(root, {
        limits: { ...limits, totalBytes: config['console.journal_mb'] * 1024 * 1024 },
        tenants: (names) => tenantsOfJournals(db, names),
      })
    },
  }
}
