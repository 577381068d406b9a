/** The WebSocket door against clients that mean no good, in front of a console that is the test's. */
import { once } from 'node:events'
import { afterEach, beforeEach, expect, it } from 'vitest'
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

const knock = (query = '', protocols = ['leasehold.console']): WebSocket =>
  new WebSocket(`${service.url.replace('http', 'ws')}/v1/nodes/machine-1/console${query}`, protocols, {
    headers: { 'x-auth-token': 'good' },
  })

async function come(): Promise<WebSocket> {
  const socket = knock()
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

it.each([
  ['mode=raed', 'mode must be one of read, write, take, force.'],
  ['mode=', 'mode must be one of read, write, take, force.'],
  ['mode=read&offset=-1', 'offset must be a number of bytes, of 1 to 15 digits.'],
  ['scrollback=1k', 'scrollback must be a number of bytes, of 1 to 15 digits.'],
])('%s is told what is wrong, and given no console', async (query, fault) => {
  const [code, reason] = await once(knock(`?${query}`), 'close')
  expect([code, String(reason)]).toEqual([4400, fault])
  const plain = knock(`?${query}`, [])
  plain.on('error', () => {})
  const [, answer] = await once(plain, 'unexpected-response')
  expect(answer.statusCode).toBe(400)
  plain.terminate()
  expect(console_.open()).toBe(0)
})
