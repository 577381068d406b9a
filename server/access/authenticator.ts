/** What every authentication strategy offers. */
import type { Caller } from './caller.ts'

/** What of a request says who sends it. */
export interface Credential {
  /** `X-Auth-Token`. */
  token: string | undefined
  /** `X-Service-Token`: of a service that sends the request on a user's behalf. */
  serviceToken?: string | undefined
  /** Method and path (without the query), which the access rules of an application credential may limit. */
  method: string
  path: string
}

export interface Authenticator {
  /**
   * @throws LeaseholdError 'unauthenticated' without a valid token, 'unavailable' when that cannot be found out now.
   */
  authenticate(credential: Credential): Promise<Caller>
  /**
   * Who callers are now that came in some time ago and stay, by their tokens: those that are no longer valid are left
   * out. One question for all where that can be.
   * @throws LeaseholdError 'unavailable' when that cannot be found out now.
   */
  current(tokens: readonly string[]): Promise<ReadonlyMap<string, Caller>>
  /** Forgets what is remembered of tokens: called after a change of users, projects, roles or tokens. */
  forget(): void
  /** Ends what is under way. */
  close(): void
}
