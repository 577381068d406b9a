/** Asking over a network that loses things: send, wait, send again, until answered or out of patience. */

/** What an incoming message means to who waits. `refused` stands only if nothing better comes within the grace time. */
export type Verdict<T> = { accepted: T } | { refused: T } | undefined

export type Patience = {
  /** How often to send at most. */
  tries: number
  /** How long to wait after the first time; later waits grow, up to four times that, each with a quarter of jitter. */
  replyTimeoutMs: number
  /** By what each wait grows; 1.5 unless given. */
  growth?: number
  /** How long at most altogether. */
  exchangeTimeoutMs: number
}

/**
 * Sends until an answer is accepted; undefined if none came.
 * A refusal is held back for `graceMs`, because before a session stands anyone could have sent it.
 *
 * @throws the signal's reason when it fires
 */
export function converse<T>(ask: {
  send: () => void
  /** Gives every incoming message to `judge` until the returned function is called. */
  listen: (judge: (type: number, payload: Buffer) => void) => () => void
  judge: (type: number, payload: Buffer) => Verdict<T>
  patience: Patience
  signal: AbortSignal
  graceMs?: number
}): Promise<T | undefined> {
  const { patience, signal } = ask
  if (signal.aborted) return Promise.reject(signal.reason)
  return new Promise((resolve, reject) => {
    const giveUpAt = performance.now() + patience.exchangeTimeoutMs
    let refusal: { refused: T } | undefined
    let timer: NodeJS.Timeout
    let sent = 0

    const stop = () => {
      clearTimeout(timer)
      unlisten()
      signal.removeEventListener('abort', onAbort)
    }
    const finish = (answer: T | undefined) => {
      stop()
      resolve(answer)
    }
    const onAbort = () => {
      stop()
      reject(signal.reason)
    }
    const sendAndWait = () => {
      const leftMs = giveUpAt - performance.now()
      if (sent >= patience.tries || leftMs <= 0) return finish(undefined)
      ask.send()
      const waitMs =
        patience.replyTimeoutMs * Math.min((patience.growth ?? 1.5) ** sent, 4) * (0.875 + Math.random() / 4)
      sent += 1
      timer = setTimeout(sendAndWait, Math.min(waitMs, leftMs))
    }
    const unlisten = ask.listen((type, payload) => {
      const verdict = ask.judge(type, payload)
      if (verdict === undefined) return
      if ('accepted' in verdict) return finish(verdict.accepted)
      if (refusal !== undefined) return
      refusal = verdict
      clearTimeout(timer)
      timer = setTimeout(() => finish(verdict.refused), ask.graceMs ?? 0)
    })
    signal.addEventListener('abort', onAbort, { once: true })
    sendAndWait()
  })
}

/**
 * Gives what the promise gives, unless given up on first; then its outcome no longer matters.
 *
 * @throws the signal's reason when it fires
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/**
 * Waits, unless given up on.
 *
 * @throws the signal's reason when it fires
 */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason)
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
