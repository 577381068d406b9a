/** What one address may do without a token, and what it costs the service to know. */
import { EventEmitter } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { expect, it } from 'vitest'
import { createPlaces, createRequestLimit } from './ramdisk-limit.ts'

const clock = () => {
  let ms = 0
  return { now: () => ms, pass: (seconds: number) => (ms += seconds * 1000) }
}
const refused = (act: () => void) => expect(act).toThrow(expect.objectContaining({ code: 'too-many' }))

it('an address has so many requests at once, and gets them back with time', () => {
  const { now, pass } = clock()
  const limit = createRequestLimit({ perSecond: 2, atOnce: 4, now })
  for (let index = 0; index < 4; index++) limit.spend('192.0.2.1', 1)
  refused(() => limit.spend('192.0.2.1', 1))
  limit.spend('192.0.2.2', 1)
  pass(1)
  limit.spend('192.0.2.1', 2)
  refused(() => limit.spend('192.0.2.1', 1))
  pass(1000)
  for (let index = 0; index < 4; index++) limit.spend('192.0.2.1', 1)
  refused(() => limit.spend('192.0.2.1', 1))
})

it('what is charged afterwards is owed, but not for ever', () => {
  const { now, pass } = clock()
  const limit = createRequestLimit({ perSecond: 1, atOnce: 10, now })
  for (let index = 0; index < 100; index++) limit.charge('192.0.2.1', 9)
  refused(() => limit.spend('192.0.2.1', 1))
  pass(11)
  limit.spend('192.0.2.1', 1)
})

it('a whole IPv6 network is one address, and refusals cost nothing', () => {
  const { now, pass } = clock()
  const limit = createRequestLimit({ perSecond: 1, atOnce: 1, now })
  limit.spend('2001:db8::1', 1)
  for (let index = 2; index < 50; index++) refused(() => limit.spend(`2001:db8::${index}`, 1))
  pass(1)
  limit.spend('2001:db8::99', 1)
})

it('remembers so many addresses at most', () => {
  const { now } = clock()
  const limit = createRequestLimit({ perSecond: 1, atOnce: 1, maxEntries: 2, now })
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) limit.spend(address, 1)
  refused(() => limit.spend('192.0.2.3', 1))
  limit.spend('192.0.2.1', 1)
})

it('so many large bodies are under way at once, of one address fewer, and a place is given back once', () => {
  const enter = createPlaces(3, 2)
  const come = (ip: string) => {
    const raw = new EventEmitter()
    enter({ ip } as FastifyRequest, { raw } as unknown as FastifyReply)
    return raw
  }
  const full = (ip: string) =>
    expect(() => come(ip)).toThrow(expect.objectContaining({ code: 'unavailable' }))
  const first = come('192.0.2.1')
  come('192.0.2.1')
  full('192.0.2.1')
  come('192.0.2.2')
  full('192.0.2.3')
  first.emit('finish')
  first.emit('close')
  come('192.0.2.3')
  full('192.0.2.4')
})
