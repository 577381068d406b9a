/** One request to Keystone, with an end to everything: how long it takes and how much it answers. */

export interface KeystoneAnswer {
  status: number
  headers: Headers
  /** Undefined when the answer is not JSON. */
  body: unknown
}

const maxAnswerBytes = 1_000_000

/**
 * Sends one request.
 * @throws Error when there is no whole answer within `timeoutMs`.
 */
export async function requestKeystone(
  url: string,
  options: {
    method: string
    headers?: Record<string, string>
    body?: unknown
    timeoutMs: number
    signal: AbortSignal
  },
): Promise<KeystoneAnswer> {
  const response = await fetch(url, {
    method: options.method,
    headers: {
      Accept: 'application/json',
      ...(options.body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    // A redirect would carry the tokens to wherever it points.
    redirect: 'error',
    signal: AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)]),
  }).catch((error: unknown) => {
    throw new Error(`no answer: ${reasonOf(error)}`, { cause: error })
  })
  return { status: response.status, headers: response.headers, body: parse(await readText(response)) }
}

/** fetch says "fetch failed" and keeps the reason in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message || String(error.cause) : error.message
}

async function readText(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > maxAnswerBytes) throw new Error(`its answer is longer than ${maxAnswerBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
