/** Lists: what a page is asked for, and the link to the one after it. */

export interface Page {
  limit: number
  /** UUID of the last item seen. */
  marker: string | undefined
  sortDirection: 'asc' | 'desc'
}

/** The page that a query asks for; a longer one than allowed is cut. */
export const pageOf = (query: Record<string, unknown>, maxLimit: number): Page => ({
  limit: Math.min((query.limit as number | undefined) ?? maxLimit, maxLimit),
  marker: query.marker as string | undefined,
  sortDirection: (query.sort_dir as 'asc' | 'desc' | undefined) ?? 'asc',
})

/**
 * The address of the next page, when this one is full. It carries every filter of the request, so that following it
 * goes on with the same list.
 */
export function nextLink(
  url: string,
  query: Record<string, unknown>,
  page: Page,
  shown: readonly { uuid?: unknown }[],
  extra: Record<string, string> = {},
): { next?: string } {
  const last = shown.at(-1)
  if (shown.length < page.limit || last === undefined) return {}
  const parameters = new URLSearchParams({
    sort_key: String(query.sort_key ?? 'id'),
    sort_dir: page.sortDirection,
    ...extra,
  })
  for (const [name, value] of Object.entries(query))
    if (!['limit', 'marker', 'sort_key', 'sort_dir'].includes(name))
      parameters.set(name, Array.isArray(value) ? value.join(',') : String(value))
  parameters.set('limit', String(page.limit))
  parameters.set('marker', String(last.uuid))
  return { next: `${url}?${parameters}` }
}
