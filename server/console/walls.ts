/** Where a journal is divided between one tenant and the next: written down until the database has it. */
import type { Logger } from 'pino'
import type { Db } from '../store/index.ts'
import { buildWalls, type Held } from './consoles.sql.ts'
import { readJournal } from './journal/index.ts'
import type { Journals } from './journals.ts'
import type { Kept } from './kept.ts'

export interface WallsDeps {
  db: Db
  log: Logger
  journals: Journals
  /** Id of this holder, while there is one. */
  holder(): string | undefined
  consoles(): Iterable<Kept>
}

export interface Walls {
  /** Writes down all that stand by then, one statement at a time. @throws what the database does */
  settle(): Promise<void>
  /** The same, where nobody waits for it; what fails is tried again. */
  settleSoon(): void
  /** Where a wall stands that was built before a process was killed, and not written down. */
  find(held: Held): Promise<number | undefined>
}

export function createWalls(deps: WallsDeps): Walls {
  let settling: Promise<void> | undefined

  const settle = async (): Promise<void> => {
    await settling
    settling ??= write().finally(() => {
      settling = undefined
    })
    return settling
  }

  const write = async (): Promise<void> => {
    const holder = deps.holder()
    const standing = [...deps.consoles()].filter((one) => one.walls.size > 0)
    if (!holder || standing.length === 0) return
    const walls = standing.flatMap((one) =>
      [...one.walls].map(([spanId, offset]) => ({
        nodeUuid: one.held.node.uuid,
        fence: one.held.fence,
        spanId,
        offset,
      })),
    )
    const settled = await buildWalls(deps.db, holder, walls)
    for (const one of standing) for (const spanId of settled) one.wallStands(spanId)
  }

  return {
    settle,
    settleSoon() {
      settle().catch((error: unknown) =>
        deps.log.warn({ err: error }, 'a wall could not be written down; tried again'),
      )
    },
    async find(held) {
      if (held.span.start !== null || held.isFirst) return undefined
      const from = Math.max(0, held.endOffset - deps.journals.limits.segmentBytes)
      for await (const entry of readJournal(deps.journals.directoryOf(held.journal), { from }))
        if (entry.mark?.kind === 'wall' && entry.mark.span === held.span.id) return entry.offset
      return undefined
    },
  }
}
