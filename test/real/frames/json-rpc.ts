/** JSON-RPC 1.0 over a Unix socket, as ovsdb-server and the control sockets of Open vSwitch's daemons speak it. */
import { connect } from 'node:net'

export type JsonRpc = {
  call: (method: string, params: readonly unknown[]) => Promise<unknown>
  close: () => void
}

/** A client of the tests' own, so that the driver's is not judged by itself. */
export async function openJsonRpc(path: string): Promise<JsonRpc> {
  const socket = connect(path)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  let last = 0
  let text = ''
  const fail = (error: Error) => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  socket.on('error', fail)
  socket.on('close', () => fail(new Error(`${path} closed the connection`)))
  socket.setEncoding('utf8')
  socket.on('data', (data: string) => {
    text += data
    for (let end = endOfJson(text); end > 0; end = endOfJson(text)) {
      const message = JSON.parse(text.slice(0, end)) as Message
      text = text.slice(end)
      if (message.method === 'echo')
        socket.write(JSON.stringify({ id: message.id, result: message.params, error: null }))
      const call = waiting.get(message.id as number)
      if (call === undefined || message.method !== undefined) continue
      waiting.delete(message.id as number)
      if (message.error == null) call.resolve(message.result)
      else call.reject(new Error(JSON.stringify(message.error)))
    }
  })
  return {
    call: (method, params) =>
      new Promise((resolve, reject) => {
        const id = ++last
        waiting.set(id, { resolve, reject })
        socket.write(JSON.stringify({ id, method, params }))
      }),
    close: () => void socket.destroy(),
  }
}

type Message = { id: unknown; method?: string; params?: unknown; result?: unknown; error?: unknown }

/** Where the first JSON object of the text ends; 0 if it does not yet. */
function endOfJson(text: string): number {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]
    if (quoted) {
      if (letter === '\\') at++
      else if (letter === '"') quoted = false
    } else if (letter === '"') quoted = true
    else if (letter === '{') depth++
    else if (letter === '}' && --depth === 0) return at + 1
  }
  return 0
}
