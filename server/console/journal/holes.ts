/** Bytes that are not in the journal, and the mark that says so once it can be written. */
import { type Draft, markDraft } from './compose.ts'

/** Why bytes are missing. The reader adds `expired` and `damaged`. */
export type Reason = 'elsewhere' | 'disk full' | 'disk read-only' | 'too many open files' | 'disk error'

export interface Hole {
  readonly reason: Reason
  readonly from: number
  readonly since: number
  bytes: number
  /** Appends and marks that were not kept. */
  records: number
}

const reasons: Readonly<Record<string, Reason>> = {
  ENOSPC: 'disk full',
  EDQUOT: 'disk full',
  EFBIG: 'disk full',
  EROFS: 'disk read-only',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files',
}

export function reasonOf(error: unknown): Reason {
  return reasons[(error as NodeJS.ErrnoException | undefined)?.code ?? ''] ?? 'disk error'
}

export const holeOf = (reason: Reason, from: number, bytes: number, since: number, records = 0): Hole => ({
  reason,
  from,
  since,
  bytes,
  records,
})

/** Its time is when it began, so that times go up. */
export function holeDraft({ reason, from, bytes, since, records }: Hole): Draft {
  return markDraft(since, from, { kind: 'gap', reason, bytes, ...(records > 0 ? { records } : {}) })
}
