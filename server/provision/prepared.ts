/**
 * Prepared statements: what is said over and over is parsed and planned once a connection. Provisioning says the same
 * dozen of statements for each move of each node, and planning them was most of what they cost.
 */
import { hash } from 'node:crypto'
import { Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import type { Pool, PoolClient } from 'pg'
import type { Database, Db } from '../store/index.ts'

/** A way into the same database, over the same connections, that prepares its statements. Not for transactions. */
export function preparingDb(pool: Pool): Db {
  const nameOf = namer()
  const connect = async () => {
    const client = await pool.connect()
    const query = async (text: string, values: readonly unknown[]) => {
      const name = nameOf(text)
      try {
        return await client.query({ ...(name === undefined ? {} : { name }), text, values: [...values] })
      } catch (error) {
        // A migration has given the table another column since: said once without a name.
        if (name !== undefined && isOutdated(error)) return client.query({ text, values: [...values] })
        throw error
      }
    }
    return { query, release: () => client.release() }
  }
  // Of a client's calls, Kysely makes these two alone.
  const prepared = { connect, end: async () => {} } as unknown as PostgresPool
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool: prepared }) })
}

/** Prepares what a library says on connections of its own. */
export function prepareStatements(pool: Pool): void {
  const nameOf = namer()
  pool.on('connect', (client: PoolClient) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    const preparing = (...args: unknown[]): unknown => {
      const [text, values, ...rest] = args
      const name = typeof text === 'string' && Array.isArray(values) ? nameOf(text) : undefined
      return name === undefined ? query(...args) : query({ name, text, values }, ...rest)
    }
    client.query = preparing as typeof client.query
  })
}

/** Statements that are made for one occasion must not fill the server's memory: only so many get a name. */
const mostNames = 200

function namer(): (text: string) => string | undefined {
  const names = new Map<string, string>()
  return (text) => {
    let name = names.get(text)
    if (name === undefined && names.size < mostNames) {
      name = `leasehold_${hash('sha256', text).slice(0, 32)}`
      names.set(text, name)
    }
    return name
  }
}

const isOutdated = (error: unknown): boolean =>
  error instanceof Error && (error as Error & { code?: string }).code === '0A000'
