/** One change from its first line to the save: transaction, read back, compare; and back to what was if it went wrong. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { readState, say, trySay } from './converse.ts'
import { describeDifferences, differences, stateDifferences } from './differences.ts'
import { asSwitchError, elaborate, SwitchError } from './errors.ts'
import { journalist } from './journal.ts'
import type { Link } from './link.ts'
import { reverseOf } from './reverse.ts'
import { stagesOf } from './stages.ts'
import type { Dialect, Difference, Journal, Session, SwitchEvent, SwitchState, Target } from './types.ts'

export type ChangeDeps = {
  link: Link
  dialect: Dialect
  commandTimeoutMs: number
  saveTimeoutMs: number
  save: boolean
  journal: Journal | undefined
  onEvent: (event: SwitchEvent) => void
}

export type Changer = {
  /** Brings the switch from `before` to `target`. Resolves when verified and saved. @throws SwitchError */
  carryOut: (before: SwitchState, target: Target) => Promise<true | string>
  /** Reads, once, what a process before this one has left. @throws what the journal throws */
  inherit: () => Promise<void>
  /** Whether something of before is to be put in order: a change left half done, a save not known to be done. */
  inDebt: () => boolean
  /** Undoes what was left half done. To be called before a read, by who may write. */
  settleDebt: () => Promise<void>
  /** Saves if an earlier save failed. */
  settleSave: () => Promise<true | string>
  /** Saves what a process before this one may not have saved. What fails is left to the next change. */
  settleInheritance: () => Promise<void>
}

/** `begun`: the switch has confirmed that it took its checkpoint, so there is something to roll back to. */
type Attempt = {
  id: string
  before: SwitchState
  target: Target
  begun: boolean
  committed: boolean
  /** When undoing it had to be put off. */
  owedSince: number
}

function fresh(): Pick<Attempt, 'begun' | 'committed' | 'owedSince'> {
  return { begun: false, committed: false, owedSince: Number.POSITIVE_INFINITY }
}

/** @throws SwitchError 'not-verified' */
function requireNoDifferences(left: readonly Difference[]): void {
  if (left.length === 0) return
  throw new SwitchError('not-verified', `the switch accepted every line, but ${describeDifferences(left)}`, {
    differences: left,
  })
}

/** Errors that only a refusal makes. */
const untouched: ReadonlySet<string> = new Set(['rejected', 'busy', 'unknown-port', 'missing-vlan'])

export function createChanger(deps: ChangeDeps): Changer {
  const { link, dialect, onEvent } = deps
  const transaction = dialect.transaction
  // One request is the whole change, so a refusal means that nothing was done. (To put back what was read before could
  // even undo what somebody else did since.)
  const atomic = dialect.capabilities.transaction && transaction === undefined
  const journal = journalist(deps.journal, dialect.lagName)
  let debt: Attempt | undefined
  let unsaved = false
  let inherited: 'unread' | 'unsaved' | 'none' = deps.journal === undefined ? 'none' : 'unread'

  async function inherit(): Promise<void> {
    if (inherited !== 'unread') return
    const left = await journal.inherit()
    inherited = left === undefined ? 'none' : 'unsaved'
    unsaved = left !== undefined
    if (typeof left === 'object') debt = { ...left, begun: true, committed: false, owedSince: left.since }
  }

  /** After a change was undone. If that is not heard, whoever undoes it once more finds nothing left to do. */
  const noteUndone = (): Promise<void> => journal.note(unsaved ? 'unsaved' : 'nothing').catch(() => undefined)

  async function carryOut(before: SwitchState, target: Target): Promise<true | string> {
    const attempt: Attempt = { id: randomBytes(4).toString('hex'), before, target, ...fresh() }
    try {
      await write(await link.session(), attempt)
    } catch (error) {
      throw await undo(asSwitchError(error, 'the change broke off'), attempt)
    }
    const owed = unsaved
    let saved: true | string
    try {
      saved = await save()
    } catch (error) {
      throw await afterFailedSave(asSwitchError(error, 'saving broke off'), attempt, owed)
    }
    await noteSaved()
    // The change is done and saved; a checkpoint that stays behind is overwritten by the next one.
    await tidy(attempt).catch(() => undefined)
    return saved
  }

  async function write(session: Session, attempt: Attempt): Promise<void> {
    const { id, before, target } = attempt
    const stages = transaction?.commit || atomic ? [target] : stagesOf(before, target, dialect.lagName)
    const speak = (list: Parameters<typeof say>[2]) => say(session, dialect, list, deps.commandTimeoutMs)
    // A port on its way out of a network is never put back: should we be killed, the change is completed by the next.
    const leaving = [...target.ports.values()].some((port) => !port.adminUp)
    const takenBack = dialect.recoverable === true && !leaving
    if (!takenBack) await journal.note('unsaved')
    await speak(transaction?.begin?.(id) ?? [])
    // Not before: there would be no checkpoint, or one of somebody else's, to go back to.
    if (takenBack) await journal.note(attempt)
    attempt.begun = true
    let now = before
    for (const stage of stages) {
      await speak(dialect.render(dialect.diff(now, stage), { before: now, id }))
      await speak(transaction?.arm?.(id) ?? [])
      now = await readState(session, dialect, deps.commandTimeoutMs)
      requireNoDifferences(differences(now, stage, dialect.lagName))
    }
    await speak(transaction?.commit?.(id) ?? [])
    attempt.committed = transaction?.commit !== undefined
    await journal.note('unsaved')
  }

  /** Back to what was; the error to throw says whether that is proven. */
  async function undo(error: SwitchError, attempt: Attempt): Promise<SwitchError> {
    // Not even begun: nothing to go back from, and no checkpoint but an older one, which must not be used. A lock or a
    // session on the switch that nobody knows of goes with the connection.
    if (!attempt.begun) await link.close()
    if (!attempt.begun || (atomic && untouched.has(error.code))) {
      await noteUndone()
      return elaborate(error, 'nothing was changed', { restored: true })
    }
    let lost: readonly Difference[]
    try {
      lost = await restore(attempt, await sessionAfter(error))
    } catch (second) {
      debt = { ...attempt, owedSince: Date.now() }
      const why = asSwitchError(second, 'undoing failed').message
      return elaborate(error, `what was there before could not be restored yet (${why})`, { restored: false })
    }
    await noteUndone()
    onEvent({ event: 'rolled-back', verified: lost.length === 0 })
    if (lost.length === 0) return elaborate(error, 'everything is as it was before', { restored: true })
    return new SwitchError(
      'partial',
      `${error.message}; and undoing it left differences to before: ${describeDifferences(lost)}`,
      { differences: lost, restored: false, cause: error },
    )
  }

  /** A session that works: a new one, tried a few times, where the old one may be out of step. */
  async function sessionAfter(error: SwitchError): Promise<Session> {
    const fresh = ['unreachable', 'timeout'].includes(error.code)
    for (const pauseMs of [100, 500, 2_000]) {
      const session = await link.session({ fresh }).catch((failure: unknown) => failure as Error)
      if (!(session instanceof Error)) return session
      await sleep(pauseMs)
    }
    return link.session({ fresh })
  }

  async function restore(attempt: Attempt, session: Session): Promise<readonly Difference[]> {
    const { id, before, target } = attempt
    const lost = async () => {
      const now = await readState(session, dialect, deps.commandTimeoutMs)
      return stateDifferences(before, now, target, dialect.lagName)
    }
    if (transaction && !attempt.committed) {
      // A rollback takes all of the switch back: after a long time, in which others may have worked on it, only what
      // the change touched is put back.
      const late = Date.now() - attempt.owedSince > 60_000
      const rolledBack = !late && (await rollBack(session, attempt))
      if (!rolledBack && (await lost()).length > 0) await goBack(session, before, target)
    } else await goBack(session, before, target)
    let left = await lost()
    // The confirmation may have arrived although its answer did not; then there was nothing to roll back any more.
    if (left.length > 0 && transaction?.commit !== undefined && !attempt.committed) {
      await goBack(session, before, target)
      left = await lost()
    }
    await trySay(session, transaction?.end?.(id) ?? [], deps.commandTimeoutMs)
    return left
  }

  /** @returns false if the switch has nothing to roll back to any more: it may have started anew meanwhile. */
  async function rollBack(session: Session, { id, before }: Attempt): Promise<boolean> {
    try {
      await say(session, dialect, transaction?.rollback(id, before) ?? [], deps.commandTimeoutMs)
      return true
    } catch (error) {
      if (error instanceof SwitchError && error.code === 'rejected') return false
      throw error
    }
  }

  /** A change of its own, in a transaction of its own where the device has them. */
  async function goBack(session: Session, before: SwitchState, target: Target): Promise<void> {
    const id = randomBytes(4).toString('hex')
    const now = await readState(session, dialect, deps.commandTimeoutMs)
    const lines = () => {
      if (dialect.restore !== undefined) return dialect.restore(before, now, target, id)
      if (stateDifferences(before, now, target, dialect.lagName).length === 0) return []
      const back = reverseOf(before, now, target, dialect.lagName)
      return dialect.render(dialect.diff(now, back), { before: now, id })
    }
    const requests = lines()
    if (requests.length === 0) return
    for (const part of [
      transaction?.begin?.(id),
      requests,
      transaction?.arm?.(id),
      transaction?.commit?.(id),
    ])
      await say(session, dialect, part ?? [], deps.commandTimeoutMs)
  }

  async function settleDebt(): Promise<void> {
    if (debt === undefined) return
    const attempt = debt
    const session = await link.session()
    debt = undefined
    const lost = await restore(attempt, session).catch(async (error: unknown) => {
      const passing = error instanceof SwitchError && ['busy', 'timeout', 'unreachable'].includes(error.code)
      if (passing || !session.alive()) debt = attempt
      else await noteUndone()
      throw error
    })
    await noteUndone()
    onEvent({ event: 'rolled-back', verified: lost.length === 0 })
  }

  async function save(): Promise<true | string> {
    if (!dialect.capabilities.save || dialect.saveRequests === undefined) return true
    if (!deps.save) return 'saving is turned off'
    unsaved = true
    const began = Date.now()
    const once = async () =>
      say(await link.session(), dialect, dialect.saveRequests?.() ?? [], deps.saveTimeoutMs)
    await once().catch(once)
    unsaved = false
    onEvent({ event: 'saved', tookMs: Date.now() - began })
    return true
  }

  /** What was written down is done with. @throws SwitchError 'busy'; it is saved once more then, by who comes next. */
  async function noteSaved(): Promise<void> {
    unsaved = true
    await journal.note('nothing')
    unsaved = false
  }

  /**
   * A change that would not survive a restart is taken back, unless a port is on its way out of a network: it is
   * never put back to a tenant for the sake of order.
   */
  async function afterFailedSave(error: SwitchError, attempt: Attempt, owed: boolean): Promise<SwitchError> {
    const failed = new SwitchError('save-failed', `the change could not be saved: ${error.message}`, {
      ...(error.line === undefined ? {} : { line: error.line }),
      ...(error.reply === undefined ? {} : { reply: error.reply }),
      cause: error,
    })
    if ([...attempt.target.ports.values()].some((port) => !port.adminUp)) {
      await tidy(attempt).catch(() => undefined)
      return elaborate(failed, 'it is in force and verified, and will be saved with the next change', {
        restored: false,
      })
    }
    unsaved = owed
    const undone = await undo(failed, attempt)
    unsaved ||= undone.restored !== true
    return undone
  }

  async function tidy({ id }: Attempt): Promise<void> {
    const requests = transaction?.end?.(id) ?? []
    if (requests.length > 0) await trySay(await link.session(), requests, deps.commandTimeoutMs)
  }

  async function settleSave(): Promise<true | string> {
    if (!unsaved) return deps.save || !dialect.capabilities.save ? true : 'saving is turned off'
    const saved = await save().catch((error: unknown) => {
      throw new SwitchError(
        'save-failed',
        `the configuration could not be saved: ${(error as Error).message}`,
        {
          cause: error,
        },
      )
    })
    await noteSaved()
    return saved
  }

  async function settleInheritance(): Promise<void> {
    if (inherited !== 'unsaved') return
    inherited = 'none'
    await settleSave().catch(() => undefined)
  }

  return {
    carryOut,
    inherit,
    inDebt: () => debt !== undefined || inherited === 'unsaved',
    settleDebt,
    settleSave,
    settleInheritance,
  }
}
