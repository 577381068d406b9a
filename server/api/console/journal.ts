/** What consoles have shown: as bytes, as text, as a recording to be played; searched; and by span, for who had the node. */
import { Readable } from 'node:stream'
import {
  asAsciicast,
  asText,
  extent,
  findSpan,
  listSpans,
  readJournal,
  type Span,
  search,
} from '../../console/index.ts'
import { LeaseholdError } from '../../errors.ts'
import { isoTime } from '../baremetal/fields.ts'
import { denied } from '../baremetal/node-access.ts'
import { boolean, limit, type QuerySchema, text, uuid } from '../baremetal/query.ts'
import type { Call, Route } from '../baremetal/routes.ts'
import type { ApiDeps } from '../deps.ts'
import { consoleFor, forwarded, mayReadSpan, requireConsole } from './console-access.ts'
import { beginReading } from './readers.ts'

const offset = {
  type: 'integer',
  read: (value: string, name: string) => {
    if (!/^\d{1,15}$/.test(value))
      throw new LeaseholdError(
        'invalid',
        `Invalid value for query parameter ${name}: it is an offset in bytes.`,
      )
    return Number(value)
  },
} as const

const formats = ['raw', 'text', 'asciicast'] as const
type Format = (typeof formats)[number]
const format = {
  type: 'string',
  read: (value: string) => {
    const found = formats.find((each) => each === value)
    if (!found) throw new LeaseholdError('invalid', `format must be one of ${formats.join(', ')}.`)
    return found
  },
} as const

export const journalQuery: QuerySchema = { from: offset, to: offset, format }
const mostHits = 1000

export function journalRoutes(deps: ApiDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/nodes/:node/console/search',
      summary: 'Find a text in what a console has shown in the present lease (Leasehold’s own)',
      rules: ['baremetal:node:get', 'leasehold:console:read'],
      query: { text: text(), from: offset, to: offset, case: boolean(), limit },
      ok: 200,
      handler: async (call) => {
        const { node, console } = await consoleFor(deps, call, 'leasehold:console:read')
        const wanted = call.query.text as string | undefined
        if (!wanted || Buffer.byteLength(wanted) > 1000)
          throw new LeaseholdError(
            'invalid',
            'Query parameter text is what to look for, of 1 to 1,000 bytes.',
          )
        const elsewhere = await forwarded(deps, call, node)
        if (elsewhere !== undefined) return elsewhere
        const { span, journal } = requireConsole(node, console)
        const directory = deps.consoles.journalOf(journal)
        const range = await rangeOf(deps, call, directory, span)
        const signal = beginReading(call)
        const found = search(directory, {
          what: wanted,
          ...range,
          signal,
          ignoreCase: call.query.case !== true,
          limit: Math.min((call.query.limit as number | undefined) ?? 100, mostHits),
        })
        const hits = await Array.fromAsync(found, ({ offset, at, line }) => ({
          offset,
          at: isoTime(at),
          line,
        })).catch((error: unknown) => {
          // Nobody is there any more to be told.
          if (signal.aborted) return []
          throw error
        })
        return { hits }
      },
    },
    {
      method: 'GET',
      path: '/console_spans',
      summary: 'List the parts of journals that are, or were, of the caller’s project (Leasehold’s own)',
      rules: ['leasehold:console:list', 'leasehold:console:list_all', 'leasehold:console:read'],
      query: { limit, marker: text(), node: uuid() },
      ok: 200,
      handler: async (call) => {
        const project = spansOf(deps, call)
        const marker = call.query.marker as string | undefined
        if (marker !== undefined && !/^\d{1,18}$/.test(marker))
          throw new LeaseholdError('invalid', 'marker is the id of the last span of the page before.')
        const most = Math.min((call.query.limit as number | undefined) ?? 100, deps.config['api.max_limit'])
        const spans = await listSpans(deps.db, project, {
          limit: most,
          before: marker,
          nodeUuid: call.query.node as string | undefined,
        })
        return {
          console_spans: spans
            .filter(({ span, current }) => mayReadSpan(deps, call, span, current))
            .map(({ nodeUuid, span, current }) => ({
              id: span.id,
              node: nodeUuid,
              owner: span.owner,
              lessee: span.lessee,
              instance_uuid: span.instance_uuid,
              began_at: isoTime(span.began_at),
              ended_at: span.ended_at === null ? null : isoTime(span.ended_at),
              current,
              from: span.start,
              to: span.end,
            })),
        }
      },
    },
    {
      method: 'GET',
      path: '/console_spans/:span/journal',
      summary: 'Read what a console has shown in a span (Leasehold’s own)',
      rules: ['leasehold:console:read'],
      query: journalQuery,
      ok: 200,
      handler: async (call) => {
        const id = call.params.span as string
        const found = /^\d{1,18}$/.test(id) ? await findSpan(deps.db, id) : undefined
        if (!found || !mayReadSpan(deps, call, found.span, found.current))
          throw new LeaseholdError('not-found', `Span ${id.slice(0, 100)} could not be found.`)
        return (
          (await forwarded(deps, call, { uuid: found.nodeUuid })) ??
          sendJournal(deps, call, found, `span-${id}`)
        )
      },
    },
  ]
}

/** Whose spans are listed: of one project, or of everybody (null). @throws LeaseholdError 'forbidden'. */
function spansOf(deps: ApiDeps, call: Call): string | null {
  if (deps.policy.allows('leasehold:console:list_all', call.caller)) return null
  if (!deps.policy.allows('leasehold:console:list', call.caller)) throw denied('leasehold:console:list')
  // Who speaks for no project has no spans.
  return call.caller.projectId ?? ''
}

/**
 * The part of a span that a query asks for, to the end of what is there now: what comes later may be another tenant's,
 * however long the reading takes.
 *
 * @throws LeaseholdError 'conflict' when the span has ended since it was found.
 */
async function rangeOf(
  deps: ApiDeps,
  call: Call,
  directory: string,
  { id, start, ended_at }: Span,
): Promise<{ from: number; to: number }> {
  // In this order: what was on disk before the span was seen to go on is no later one's.
  const { end } = extent(directory)
  const found = await findSpan(deps.db, id)
  if (!found || (ended_at === null && !found.current))
    throw new LeaseholdError('conflict', 'The node has changed hands just now; ask again for what is yours.')
  const first = start ?? end
  const last = found.span.end ?? (found.current ? end : await nextWall(directory, found.span, end))
  const from = Math.max(first, (call.query.from as number | undefined) ?? first)
  return { from, to: Math.max(from, Math.min(last, (call.query.to as number | undefined) ?? last)) }
}

/** Where a span ends that ended so recently that it is not written down: at the mark of the one after it. */
async function nextWall(directory: string, { id, start }: Span, end: number): Promise<number> {
  for await (const { offset, mark } of readJournal(directory, { from: start ?? end, to: end }))
    if (mark?.kind === 'wall' && mark.span !== id) return offset
  return end
}

const types: Readonly<Record<Format, { type: string; ending: string }>> = {
  raw: { type: 'application/octet-stream', ending: 'log' },
  text: { type: 'text/plain; charset=utf-8', ending: 'txt' },
  asciicast: { type: 'application/x-asciicast', ending: 'cast' },
}

/** Streams a span's journal in the format that is asked for. */
export async function sendJournal(
  deps: ApiDeps,
  call: Call,
  { journal, span }: { journal: string; span: Span },
  name: string,
): Promise<Readable> {
  const directory = deps.consoles.journalOf(journal)
  const range = await rangeOf(deps, call, directory, span)
  const asked = (call.query.format as Format | undefined) ?? 'raw'
  const entries = readJournal(directory, { ...range, signal: beginReading(call) })
  const file = `${name.replace(/[^\w.-]/g, '_')}.${types[asked].ending}`
  call.reply.type(types[asked].type).header('content-disposition', `attachment; filename="${file}"`)
  const contents: { [Name in Format]: () => AsyncIterable<string | Buffer> } = {
    raw: () => bytesOf(entries),
    text: () => asText(entries, { plain: true }),
    asciicast: () => asAsciicast(entries, { title: name, width: 80, height: 24, maxIdleMs: 5_000 }),
  }
  return Readable.from(contents[asked](), { objectMode: false })
}

async function* bytesOf(entries: ReturnType<typeof readJournal>): AsyncGenerator<Buffer> {
  for await (const entry of entries) if (entry.bytes) yield entry.bytes
}
