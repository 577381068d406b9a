/** Cuts watchers whose token, role or node is gone, again and again. */
import type { Logger } from 'pino'
import { type Caller, nodeTarget, type Policy } from '../access/index.ts'
import { LeaseholdError } from '../errors.ts'
import type { Span } from './consoles.sql.ts'
import type { Kept } from './kept.ts'
import { type RecheckDeps, recheck } from './recheck.ts'
import type { Mode, Visitor } from './types.ts'

export interface JudgeDeps extends RecheckDeps {
  policy: Policy
  log: Logger
  allows(visitor: Visitor, mode: Mode, span: Span): boolean
}

/** How long watchers stay whose tokens cannot be checked: a Keystone that does not answer. */
const unverifiedMs = 60_000

/** @returns what judges all watchers of all consoles once */
export function createJudge(deps: JudgeDeps, consoles: () => Iterable<Kept>): () => Promise<void> {
  let verifiedAtMs = performance.now()
  /** As whom, over which span and by which rules a visitor was last judged well: while these are the same, so is the verdict. */
  const good = new WeakMap<Visitor, { caller: Caller; span: Span; rules: number }>()

  const mayStay = (visitor: Visitor, span: Span): boolean =>
    deps.allows(visitor, 'read', span) &&
    (visitor.proof.kind === 'source' ||
      deps.policy.allows('baremetal:node:get', visitor.caller, nodeTarget(span)))

  return async () => {
    const visitors = [...consoles()].flatMap((one) => [...one.hub.visitors()])
    let callers: Awaited<ReturnType<typeof recheck>>
    try {
      callers = await recheck(deps, visitors)
      verifiedAtMs = performance.now()
    } catch (error) {
      if (!(error instanceof LeaseholdError && error.code === 'unavailable')) throw error
      if (performance.now() - verifiedAtMs < unverifiedMs) return
      deps.log.error({ err: error }, 'nobody could be verified for too long; all watchers are cut')
      for (const one of consoles())
        one.hub.judge(({ proof }) => (proof.kind === 'source' ? undefined : 'unavailable'))
      return
    }
    const rules = deps.policy.generation
    for (const one of consoles()) {
      const { span } = one.held
      one.hub.judge((visitor) => {
        const caller = callers.get(visitor)
        if (caller === undefined) return undefined
        if (caller === null) return 'unauthenticated'
        const before = good.get(visitor)
        if (before?.caller === caller && before.span === span && before.rules === rules) return undefined
        visitor.caller = caller
        if (!mayStay(visitor, span)) return 'forbidden'
        good.set(visitor, { caller, span, rules })
        return undefined
      })
    }
  }
}
