/** The WebSocket door against clients that mean no good, in front of a console that is the test's. */
import { once } from 'node:events'
import { afterEach, beforeEach, it } from 'vitest'
import { WebSocket } from 'ws'
import { until } from '../testing.ts'
import { type StubConsole, type StubService, stubConsole, stubService } from './testing.ts'

let console_: StubConsole
let service: StubService
beforeEach(async () => {
  console_ = stubConsole()
  service = await stubService(console_)
  service.tokens.add('good')
})
afterEach(() => service.close())

async function come(protocols = ['leasehold.console']): Promise<WebSocket> {
  const socket = new WebSocket(`${service.url.replace('http', 'ws')}/v1/nodes/machine-1/console`, protocols, {
    headers: { 'x-auth-token': 'good' },
  })
  await once(socket, 'open')
  return socket
}

it('who is told that its requests are none, and does not read it, is cut', async () => {
  const socket = await come()
  socket.on('error', () => {})
  socket.pause()
  const flood = setInterval(() => {
    if (socket.bufferedAmount < 1024 * 1024) for (let count = 0; count < 5_000; count += 1) socket.send('{}')
  }, 1)
  await until(() => console_.open() === 0, 'the cut', 25_000).finally(() => clearInterval(flood))
  socket.terminate()
})
