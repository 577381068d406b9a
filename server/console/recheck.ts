/** Whether those who came in may still be here: asked again and again, of all of them at once. */
import type { Authenticator, Caller } from '../access/index.ts'
import type { Db } from '../store/index.ts'
import { droppedTickets } from './tickets.sql.ts'
import type { Proof, Visitor } from './types.ts'

export interface RecheckDeps {
  db: Db
  authenticator: Authenticator
  /** Callers of public keys, in one query. */
  callersOfKeys(db: Db, keyIds: readonly string[]): Promise<ReadonlyMap<string, Caller>>
}

/**
 * Who these visitors are now; null for one whose token or key is no longer good, or who came by a console
 * token that was dropped.
 * @throws LeaseholdError 'unavailable' when that cannot be found out now.
 */
export async function recheck(
  deps: RecheckDeps,
  visitors: readonly Visitor[],
): Promise<Map<Visitor, Caller | null>> {
  const tokens = new Set<string>()
  const keys = new Set<string>()
  const tickets = new Map<string, { hash: string; expiresAt: string }>()
  for (const { proof } of visitors) {
    if (proof.kind === 'key') keys.add(proof.keyId)
    if (proof.kind !== 'token') continue
    for (const token of tokensOf(proof)) tokens.add(token)
    if (proof.console) tickets.set(proof.console.hash, proof.console)
  }
  const [byToken, byKey, dropped] = await Promise.all([
    tokens.size > 0 ? deps.authenticator.current([...tokens]) : new Map<string, Caller>(),
    keys.size > 0 ? deps.callersOfKeys(deps.db, [...keys]) : new Map<string, Caller>(),
    tickets.size > 0 ? droppedTickets(deps.db, [...tickets.values()]) : new Set<string>(),
  ])
  return new Map(
    visitors.map((visitor) => {
      const { proof } = visitor
      if (proof.kind === 'source') return [visitor, visitor.caller]
      if (proof.kind === 'key') return [visitor, byKey.get(proof.keyId) ?? null]
      const isDropped = proof.console !== undefined && dropped.has(proof.console.hash)
      const good = !isDropped && tokensOf(proof).every((token) => byToken.has(token))
      return [visitor, good ? (byToken.get(proof.token) as Caller) : null]
    }),
  )
}

const tokensOf = (proof: Proof & { kind: 'token' }): string[] =>
  proof.serviceToken === undefined ? [proof.token] : [proof.token, proof.serviceToken]
