/** One request to Keystone, with an end to everything: how long it takes and how much it answers. */

export interface KeystoneAnswer {
  status: number
  headers: Headers
  /** Undefined when the answer is not JSON. */
  body: unknown
}

const maxAnswerBytes = 1_000_000

interface KeystoneRequest {
  method: string
  headers?: Record<string, string>
  body?: unknown
  timeoutMs: number
  signal: AbortSignal
}

/**
 * Sends one request, and once more when the connection was lost before an answer: a kept connection may have been
 * closed at the other end, and all that is asked of Keystone here may be asked twice.
 *
 * @throws Error when there is no whole answer within `timeoutMs`.
 */
export async function requestKeystone(url: string, request: KeystoneRequest): Promise<KeystoneAnswer> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(request.timeoutMs)])
  try {
    const response = await send(url, request, signal).catch((error: unknown) => {
      if (!lostConnection(error)) throw error
      return send(url, request, signal)
    })
    return { status: response.status, headers: response.headers, body: parse(await readText(response)) }
  } catch (error) {
    throw new Error(`no answer: ${reasonOf(error)}`, { cause: error })
  }
}

const send = (
  url: string,
  { method, headers, body }: KeystoneRequest,
  signal: AbortSignal,
): Promise<Response> =>
  fetch(url, {
    method,
    headers: {
      Accept: 'application/json',
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    // A redirect would carry the tokens to wherever it points.
    redirect: 'error',
    signal,
  })

const lostConnection = (error: unknown): boolean => {
  const code = ((error as Error).cause as { code?: unknown } | undefined)?.code
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
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
    if (length > maxAnswerBytes) throw new Error(`it is longer than ${maxAnswerBytes} bytes`)
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
