/**
 * Writes audit rows before the answer leaves: what a client was told of is on record. Rows of calls that end together
 * are written together, so that many at once cost one commit.
 */
import { randomUUID } from 'node:crypto'
import { LeaseholdError } from '../errors.ts'
import type { Db } from '../store/index.ts'
import { insertAudit, type NewAuditRow } from './audit.sql.ts'

export interface Recorder {
  /** Resolves when the row is on disk. @throws LeaseholdError 'unavailable' when too many wait. */
  record(row: Omit<NewAuditRow, 'uuid'>): Promise<void>
}

/** Rows in one statement, and rows that may wait, at most. */
const batchSize = 200
const queueLimit = 20_000

export function createRecorder(db: Db): Recorder {
  const waiting: { row: NewAuditRow; done: () => void; failed: (error: unknown) => void }[] = []
  let writing = false

  async function write(): Promise<void> {
    writing = true
    while (waiting.length > 0) {
      const batch = waiting.splice(0, batchSize)
      try {
        await insertAudit(
          db,
          batch.map(({ row }) => row),
        )
        for (const { done } of batch) done()
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    writing = false
  }

  return {
    record: (row) =>
      new Promise<void>((done, failed) => {
        if (waiting.length >= queueLimit) {
          failed(
            new LeaseholdError('unavailable', 'The audit can not keep up, please retry.', {
              retryAfterSeconds: 1,
            }),
          )
          return
        }
        waiting.push({ row: { ...row, uuid: randomUUID() }, done, failed })
        if (!writing) void write()
      }),
  }
}
