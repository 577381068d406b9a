/** Whether those who came in may still be here: asked again and again, of all of them at once. */
import type { Authenticator, Caller } from '../access/index.ts'
import type { Db } from '../store/index.ts'
import type { Proof, Visitor } from './types.ts'

export interface RecheckDeps {
  db: Db
  authenticator: Authenticator
  /** Callers of public keys, in one query. */
  callersOfKeys(db: Db, keyIds: readonly string[]): Promise<ReadonlyMap<string, Caller>>
}

/**
 * Who these visitors are now; null for one whose token or key is no longer good.
 * @throws LeaseholdError 'unavailable' when that cannot be found out now.
 */
export async function recheck(
  deps: RecheckDeps,
  visitors: readonly Visitor[],
): Promise<Map<Visitor, Caller | null>> {
  const tokens = new Set<string>()
  const keys = new Set<string>()
  for (const { proof } of visitors) {
    if (proof.kind === 'key') keys.add(proof.keyId)
    if (proof.kind === 'token') for (const token of tokensOf(proof)) tokens.add(token)
  }
  const [byToken, byKey] = await Promise.all([
    tokens.size > 0 ? deps.authenticator.current([...tokens]) : new Map<string, Caller>(),
    keys.size > 0 ? deps.callersOfKeys(deps.db, [...keys]) : new Map<string, Caller>(),
  ])
  return new Map(
    visitors.map((visitor) => {
      const { proof } = visitor
      if (proof.kind === 'source') return [visitor, visitor.caller]
      if (proof.kind === 'key') return [visitor, byKey.get(proof.keyId) ?? null]
      const good = tokensOf(proof).every((token) => byToken.has(token))
      return [visitor, good ? (byToken.get(proof.token) as Caller) : null]
    }),
  )
}

const tokensOf = (proof: Proof & { kind: 'token' }): string[] =>
  proof.serviceToken === undefined ? [proof.token] : [proof.token, proof.serviceToken]
