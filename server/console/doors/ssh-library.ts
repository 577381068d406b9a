/**
 * What the door needs of the library `ssh2` 1.17 that it does not offer: all that touches its insides is here, and
 * the tests beside it and in test/real fail when a newer one has changed them.
 */
import type { Connection, ServerChannel } from 'ssh2'

interface Insides {
  _protocol: {
    /** Packets that wait for the end of a key exchange. */
    _queue?: unknown
    _handlers: Record<'CHANNEL_REQUEST', RequestHandler>
    channelSuccess(id: number): void
    channelFailure(id: number): void
  }
  _chanMgr: { get(id: number): { _chanInfo?: { outgoing: { id: number } } } | undefined }
}
type RequestHandler = (
  protocol: unknown,
  recipient: number,
  type: string,
  wantReply: boolean,
  data: unknown,
) => void

/**
 * Hears `break` of RFC 4335, which the library refuses as unknown.
 * @param heard returns whether it is done
 */
export function onBreak(connection: Connection, heard: () => boolean): void {
  const { _protocol: protocol, _chanMgr: channels } = connection as unknown as Insides
  const otherwise = protocol._handlers.CHANNEL_REQUEST
  protocol._handlers.CHANNEL_REQUEST = (from, recipient, type, wantReply, data) => {
    const peer = type === 'break' ? channels.get(recipient)?._chanInfo?.outgoing.id : undefined
    if (peer === undefined) return otherwise(from, recipient, type, wantReply, data)
    const done = heard()
    if (wantReply) protocol[done ? 'channelSuccess' : 'channelFailure'](peer)
  }
}

/** While keys are exchanged the library keeps what is written in memory, however much it is. */
export const isExchangingKeys = (connection: Connection): boolean =>
  (connection as unknown as Insides)._protocol._queue !== undefined

/**
 * A write that had to wait for the peer's window stays in the channel after it was sent; when a later one to the
 * other stream waits, the library sends the old one again in its place. To be called after each write is done.
 */
export function forgetWritten(channel: ServerChannel): void {
  Object.assign(channel, {
    _chunk: undefined,
    _chunkcb: undefined,
    _chunkErr: undefined,
    _chunkcbErr: undefined,
  })
}
