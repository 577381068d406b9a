/** Stands between a client and a real OVSDB server, on TLS, and makes go wrong what a test wants to go wrong. */
import { type AddressInfo, createConnection, type Socket } from 'node:net'
import tls from 'node:tls'
import { selfSigned } from '../../packages/switches/testing/certificate.ts'
import type { Counts, Faults } from '../../packages/switches/testing/device.ts'
import { saidOf } from '../../packages/switches/testing/ovs/server.ts'
import { jsonStream } from '../../packages/switches/transports/json-stream.ts'

type Op = Parameters<typeof saidOf>[0]
type Message = { id: number; method?: string; params?: unknown[]; result?: unknown }

/** `seen`: resolves when the test sees what the database has by now; before that no answer gets to the client. */
export async function startOvsProxy(
  socketPath: string,
  faults: Faults,
  counts: Counts,
  seen: () => Promise<unknown>,
) {
  const { cert, key, sha256 } = selfSigned()
  const sockets = new Set<Socket>()
  const server = tls.createServer({ cert, key }, (client) => {
    counts.logins++
    const upstream = createConnection(socketPath)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        client.destroy()
        upstream.destroy()
      })
    }
    /** By request: places at which an operation was taken out. */
    const taken = new Map<number, number[]>()
    const fromClient = jsonStream()
    client.on('data', (chunk) => {
      for (const message of fromClient(chunk.toString('utf8')) as Message[]) forward(message)
    })
    const fromServer = jsonStream()
    let answering: Promise<unknown> = Promise.resolve()
    upstream.on('data', (chunk) => {
      for (const message of fromServer(chunk.toString('utf8')) as Message[]) {
        for (const place of taken.get(message.id) ?? [])
          (message.result as unknown[]).splice(place, 0, { count: 1 })
        taken.delete(message.id)
        if (message.result !== undefined) answering = answering.then(seen)
        answering = answering.then(() => client.write(JSON.stringify(message))).catch(() => client.destroy())
      }
    })

    function forward(message: Message): void {
      if (message.method !== 'transact') return void upstream.write(JSON.stringify(message))
      const [database, ...operations] = message.params as [string, ...Op[]]
      const said = operations.map(saidOf)
      if (said.some((one) => faults.drop?.(one))) return void client.destroy()
      if (said.some((one) => faults.hang?.(one))) return
      const refused = said.findIndex((one) => faults.refuse?.(one) !== undefined)
      if (refused >= 0) {
        const error = { error: 'constraint violation', details: faults.refuse?.(said[refused] as never) }
        const result = operations.map((_, index) => (index < refused ? {} : index === refused ? error : null))
        return void client.write(JSON.stringify({ id: message.id, result, error: null }))
      }
      if (operations.some(({ op }) => op !== 'select' && op !== 'wait')) counts.writes++
      const places = said.flatMap((one, index) => (faults.ignore?.(one) ? [index] : []))
      taken.set(message.id, places)
      const kept = operations.filter((_, index) => !places.includes(index))
      upstream.write(JSON.stringify({ ...message, params: [database, ...kept] }))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    sha256,
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
