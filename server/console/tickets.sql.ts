/**
 * Tickets: secrets that let their bearer into one console, for a short time. What the bearer is then judged by (the
 * token the ticket was got with) is sealed with a key that only the ticket gives, so the database alone opens nothing.
 */
import { createCipheriv, createDecipheriv, hash, hkdfSync, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Db } from '../store/index.ts'
import type { DoorKind, Mode, Proof } from './types.ts'

/** Who is behind a ticket. Door and address are those of a visitor whom another conductor has let in. */
export interface Visit {
  proof: Proof
  door?: DoorKind
  address?: string
}

export interface NewTicket extends Visit {
  nodeUuid: string
  /** It is worth nothing once the node has changed hands. */
  spanId: string
  userId: string | null
  projectId: string | null
  mode: Mode
  /** Origin of the page that may use it; null: any program that is no browser. */
  origin: string | null
  /** Good until it expires, not just once. */
  reusable: boolean
  lifeSeconds: number
}

export interface Ticket extends Visit {
  nodeUuid: string
  mode: Mode
}

const prefix = 'lct_'
const pattern = /^lct_[\w-]{43}$/

/** Stores a new ticket and answers it, with its end. */
export async function issueTicket(db: Db, wanted: NewTicket): Promise<{ ticket: string; expiresAt: Date }> {
  const ticket = prefix + randomBytes(32).toString('base64url')
  const row = await db
    .insertInto('console_tickets')
    .values({
      ticket_hash: hashOf(ticket),
      node_uuid: wanted.nodeUuid,
      span_id: wanted.spanId,
      user_id: wanted.userId,
      project_id: wanted.projectId,
      mode: wanted.mode,
      origin: wanted.origin,
      reusable: wanted.reusable,
      sealed_proof: seal(ticket, {
        proof: wanted.proof,
        ...(wanted.door ? { door: wanted.door } : {}),
        ...(wanted.address ? { address: wanted.address } : {}),
      }),
      expires_at: sql<Date>`now() + make_interval(secs => ${wanted.lifeSeconds})`,
    })
    .returning('expires_at')
    .executeTakeFirstOrThrow()
  return { ticket, expiresAt: row.expires_at }
}

/**
 * Uses a ticket up, unless it is reusable; undefined when it is worth nothing: unknown, used, expired, of a span that
 * is over, or of another origin. A page of another origin does not use it up.
 */
export async function redeemTicket(
  db: Db,
  ticket: string,
  cameFrom: { origin: string | undefined; sameOrigin: boolean },
): Promise<Ticket | undefined> {
  if (!pattern.test(ticket)) return undefined
  const { rows } = await sql<{
    node_uuid: string
    mode: string
    reusable: boolean
    sealed_proof: Buffer
    expires_at: Date
  }>`
    WITH good AS (
      SELECT t.ticket_hash, t.node_uuid, t.mode, t.reusable, t.sealed_proof, t.expires_at
      FROM console_tickets t JOIN consoles c ON c.node_uuid = t.node_uuid AND c.span_id = t.span_id
      WHERE t.ticket_hash = ${hashOf(ticket)} AND t.expires_at > now()
        AND (t.origin = ${cameFrom.origin ?? null} OR (t.origin IS NULL AND ${cameFrom.sameOrigin}))
      FOR UPDATE OF t
    ), used AS (
      DELETE FROM console_tickets t USING good WHERE t.ticket_hash = good.ticket_hash AND NOT good.reusable
      RETURNING t.ticket_hash
    )
    SELECT node_uuid, mode, reusable, sealed_proof, expires_at FROM good
    WHERE reusable OR EXISTS (SELECT FROM used)`.execute(db)
  const row = rows[0]
  if (!row) return undefined
  const visit = unseal(ticket, row.sealed_proof)
  const { proof } = visit
  if (row.reusable && proof.kind === 'token')
    proof.console = { hash: hashOf(ticket).toString('hex'), expiresAt: row.expires_at.toISOString() }
  return { nodeUuid: row.node_uuid, mode: row.mode as Mode, ...visit }
}

/** Which of these reusable tickets were dropped: are gone before their time. Answers hashes. */
export async function droppedTickets(
  db: Db,
  tickets: readonly { hash: string; expiresAt: string }[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ hash: string }>`
    SELECT asked.hash FROM jsonb_to_recordset(${JSON.stringify(tickets)}::jsonb)
      AS asked(hash text, "expiresAt" timestamptz)
    WHERE asked."expiresAt" > now() AND NOT EXISTS (
      SELECT FROM console_tickets t WHERE t.ticket_hash = decode(asked.hash, 'hex'))`.execute(db)
  return new Set(rows.map((row) => row.hash))
}

/** Makes a node's tickets void that a project has got, of every project when it is null, and ends what they opened. */
export async function dropTickets(db: Db, nodeUuid: string, projectId: string | null): Promise<void> {
  let query = db.deleteFrom('console_tickets').where('node_uuid', '=', nodeUuid)
  if (projectId !== null) query = query.where('project_id', '=', projectId)
  await query.execute()
}

/** Forgets tickets that are over. */
export async function purgeTickets(db: Db): Promise<void> {
  await sql`DELETE FROM console_tickets WHERE expires_at <= now()`.execute(db)
}

const hashOf = (ticket: string): Buffer => hash('sha256', ticket, 'buffer')

const keyOf = (ticket: string): Buffer =>
  Buffer.from(hkdfSync('sha256', ticket, '', 'leasehold console ticket', 32))

/** AES-256-GCM; the key is used for this one text, so the nonce may be fixed. */
const nonce = Buffer.alloc(12)

function seal(ticket: string, visit: Visit): Buffer {
  const cipher = createCipheriv('aes-256-gcm', keyOf(ticket), nonce)
  const sealed = Buffer.concat([cipher.update(JSON.stringify(visit), 'utf8'), cipher.final()])
  return Buffer.concat([cipher.getAuthTag(), sealed])
}

function unseal(ticket: string, sealed: Buffer): Visit {
  const decipher = createDecipheriv('aes-256-gcm', keyOf(ticket), nonce)
  decipher.setAuthTag(sealed.subarray(0, 16))
  return JSON.parse(Buffer.concat([decipher.update(sealed.subarray(16)), decipher.final()]).toString('utf8'))
}
