/**
 * Prepared statements. PostgreSQL parses and plans a statement that has a name once a connection; planning was most
 * of what it did for the short statements of this service.
 */
import type { Pool, PoolClient } from 'pg'

/** Statements that are made for one occasion must not fill the server's memory: only so many get a name. */
const mostNames = 500

/** In the text of a statement whose best plan depends on its values: it is planned each time, and gets no name. */
export const plannedForItsValues = '/* planned for its values */'

type Query = (...args: unknown[]) => unknown

/** Gives a name to every statement with values that is said over this pool's connections from now on. */
export function prepareStatements(pool: Pool): void {
  const names = new Map<string, string>()
  let serial = 0
  const renew = (text: string): string => {
    const name = `leasehold_${++serial}`
    names.set(text, name)
    return name
  }
  const nameOf = (text: string) =>
    names.get(text) ??
    (names.size < mostNames && !text.includes(plannedForItsValues) ? renew(text) : undefined)

  pool.on('connect', (client: PoolClient) => {
    const query = client.query.bind(client) as Query
    const preparing: Query = (text, values, ...callback) => {
      if (typeof text !== 'string' || !Array.isArray(values) || values.length === 0)
        return query(text, values, ...callback)
      const name = nameOf(text)
      if (name === undefined) return query(text, values, ...callback)
      const answer = query({ name, text, values }, ...callback)
      if (!(answer instanceof Promise)) return answer
      return answer.catch((error: unknown) => {
        if (!isOutdated(error)) throw error
        if (names.get(text) === name) renew(text)
        // Within a transaction, which the error has ended, the second attempt cannot succeed.
        return (query(text, values) as Promise<unknown>).catch(() => Promise.reject(error))
      })
    }
    client.query = preparing as typeof client.query
  })
}

/** A migration has changed the columns of the statement's result since it was prepared. */
const isOutdated = (error: unknown): boolean => (error as { code?: unknown }).code === '0A000'
