/** Writes down how consoles are: many in one statement, soon after a state has changed, and from time to time. */
import type { Logger } from 'pino'
import type { Db } from '../store/index.ts'
import { noteConsoles } from './consoles.sql.ts'
import type { Kept } from './kept.ts'

export interface Noter {
  /** Notes within a moment, together with what else changes in it. */
  soon(): void
  /** The same; settled when what has changed until now is written down, or could not be. */
  settled(): Promise<void>
  /** Notes now. @throws what the database says; it is tried again with the next note. */
  note(): Promise<void>
  stop(): void
}

export interface NoterDeps {
  db: Db
  log: Logger
  /** As whom; undefined while this process is nobody. */
  holder(): string | undefined
  consoles(): Iterable<Kept>
}

const soonMs = 50

export function createNoter({ db, log, holder, consoles }: NoterDeps): Noter {
  let timer: NodeJS.Timeout | undefined
  /** One note at a time: on another connection an older one could come after a newer one. */
  let noting = false
  let again = false
  let waiting: (() => void)[] = []

  const soon = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      note().catch((error: unknown) => log.warn({ err: error }, 'consoles could not be noted; tried again'))
    }, soonMs)
  }

  const note = async (): Promise<void> => {
    const id = holder()
    again ||= noting
    if (noting || id === undefined) return
    noting = true
    const told = waiting
    waiting = []
    const noted = [...consoles()].flatMap((one) => {
      const note = one.note()
      return note ? [{ one, note }] : []
    })
    try {
      const notes = noted.map(({ note }) => note)
      await noteConsoles(db, id, notes)
      for (const { one, note } of noted) one.noted(note)
    } catch (error) {
      for (const { one } of noted) one.noteAgain()
      throw error
    } finally {
      noting = false
      for (const tell of told) tell()
      if (again) soon()
      again = false
    }
  }

  return {
    soon,
    settled() {
      if (holder() === undefined) return Promise.resolve()
      soon()
      return new Promise((resolve) => waiting.push(resolve))
    },
    note,
    stop() {
      clearTimeout(timer)
      for (const tell of waiting.splice(0)) tell()
    },
  }
}
