/** TCP doors: only listed sources come in, each console has a port or says why not, and nobody stays past a lease. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../../store/index.ts'
import { testStore } from '../../store/testing.ts'
import { findConsole } from '../consoles.sql.ts'
import { type Room, testRoom, until, watch } from '../testing.ts'

let store: Store
let room: Room
const first = 12_000 + Math.floor(Math.random() * 8_000)
const sockets: Socket[] = []
beforeAll(async () => {
  store = await testStore()
  room = await testRoom(store, {
    'console.tcp_listen': '127.0.0.1',
    'console.tcp_ports': { first, last: first + 2 },
    'console.tcp_sources': ['127.0.0.1', '127.7.0.0/16'],
    'console.off_linger_seconds': 0,
  })
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await room.db.deleteFrom('nodes').execute()
  await until(() => room.consoles.census().states.up === 0, 'the end of all consoles')
})
afterAll(async () => {
  await room.close()
  await store.close()
})

const door = async (node: string): Promise<URL | undefined> => {
  const url = (await findConsole(room.db, node))?.tcpUrl
  return url ? new URL(url) : undefined
}
const machine = async () => {
  const node = await room.node()
  await until(() => room.line(node).live, 'the line')
  await until(() => door(node), 'the door')
  return { node, line: room.line(node), port: Number((await door(node))?.port) }
}

interface Guest {
  socket: Socket
  readonly bytes: Buffer
  readonly text: string
  readonly gone: boolean
}

function come(port: number, localAddress = '127.0.0.1'): Guest {
  const socket = connect({ host: '127.0.0.1', port, localAddress })
  sockets.push(socket)
  const parts: Buffer[] = []
  let gone = false
  socket.on('data', (bytes: Buffer) => void parts.push(bytes))
  socket.on('error', () => {})
  socket.on('close', () => {
    gone = true
  })
  return {
    socket,
    get bytes() {
      return Buffer.concat(parts)
    },
    get text() {
      return Buffer.concat(parts).toString('latin1')
    },
    get gone() {
      return gone
    },
  }
}
/** Waits until these hear the machine. */
const hear = async (line: { say(text: string): void }, ...guests: Guest[]) =>
  until(() => {
    line.say('.')
    return guests.every((guest) => guest.bytes.length > 0)
  }, 'the machine being heard')

describe('a TCP door', () => {
  it('passes every byte both ways, and nothing of the past', async () => {
    const { line, port } = await machine()
    line.say('past')
    const guest = come(port)
    await once(guest.socket, 'connect')
    const bytes = Buffer.concat([
      Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
      randomBytes(100_000),
    ])
    guest.socket.write(bytes)
    await until(() => line.typed.length >= bytes.length, 'what was typed')
    expect(Buffer.from(line.typed, 'latin1').equals(bytes)).toBe(true)
    line.say(bytes)
    await until(() => guest.bytes.length >= bytes.length, 'what was said')
    expect(guest.bytes.equals(bytes)).toBe(true)
  })

  it('lets listed addresses and networks in, and nobody else', async () => {
    const { line, port } = await machine()
    for (const address of ['127.0.0.2', '127.8.0.1', '127.255.0.1']) {
      const refused = come(port, address)
      await until(() => refused.gone, `the refusal of ${address}`)
      expect(refused.bytes).toHaveLength(0)
    }
    await hear(line, come(port), come(port, '127.7.1.2'))
  })

  it('takes four connections and no fifth, until one has left', async () => {
    const { line, port } = await machine()
    const four = [come(port), come(port), come(port), come(port)]
    await hear(line, ...four)
    const fifth = come(port)
    await until(() => fifth.gone, 'the fifth turned away')
    four[0]?.socket.end()
    await until(() => four[0]?.gone, 'the first gone')
    await hear(line, come(port))
    expect(four.slice(1).some(({ gone }) => gone)).toBe(false)
  })

  it('gives the keyboard to who types: they cannot be told apart, nor ask', async () => {
    const { line, port } = await machine()
    const [one, two] = [come(port), come(port)]
    await hear(line, one, two)
    one.socket.write('a')
    await until(() => line.typed === 'a')
    two.socket.write('b')
    await until(() => line.typed === 'ab')
    one.socket.write('c')
    await until(() => line.typed === 'abc')
  })

  it('does not take the keyboard from a user who is typing; when that one has left, who types has it', async () => {
    const { node, line, port } = await machine()
    const user = await watch(room.url, node, { token: room.tokens.lessee })
    await until(() => user.last('hello'))
    user.type('u')
    await until(() => line.typed === 'u')
    const guest = come(port)
    await hear(line, guest)
    guest.socket.write('lost')
    await until(() => user.last('watchers')?.watchers.length === 2, 'the guest seen')
    user.type('v')
    await until(() => line.typed === 'uv')
    await user.close()
    await until(() => room.consoles.watchers(node)?.length === 1, 'the user gone')
    guest.socket.write('kept')
    await until(() => line.typed === 'uvkept')
  })

  it('is cut when the node changes hands, whoever came by it, and stands open for who comes next', async () => {
    const { node, line, port } = await machine()
    const guest = come(port)
    await hear(line, guest)
    await room.db.updateTable('nodes').set({ lessee: null }).where('uuid', '=', node).execute()
    const ended = performance.now()
    await until(() => guest.gone, 'the cut')
    expect(performance.now() - ended).toBeLessThan(3_000)
    line.say('secret of the next')
    expect(guest.text).not.toContain('secret')
    await hear(line, come(port))
  })

  it('is shut when the console is off', async () => {
    const { node, line, port } = await machine()
    const guest = come(port)
    await hear(line, guest)
    await room.db.updateTable('nodes').set({ console_enabled: false }).where('uuid', '=', node).execute()
    await until(() => guest.gone, 'the cut')
    await until(async () => (await door(node)) === undefined, 'no address')
    const late = come(port)
    await until(() => late.gone, 'nobody there')
  })
})

describe('this very host', () => {
  it('does not come in by a network that it is in: whose console is aimed at a door comes from here too', async () => {
    const ports = { first: first + 100, last: first + 102 }
    const wide = await testRoom(store, {
      'console.tcp_listen': '127.0.0.1',
      'console.tcp_ports': ports,
      'console.tcp_sources': ['127.0.0.0/8'],
    })
    try {
      const node = await wide.node()
      await until(() => wide.line(node).live, 'the line')
      await until(() => door(node), 'the door')
      const port = Number((await door(node))?.port)
      const refused = come(port)
      await until(() => refused.gone, 'the refusal')
      expect(refused.bytes).toHaveLength(0)
      // Not an address of an interface here: somebody else as far as the door can tell.
      await hear(wide.line(node), come(port, '127.7.1.2'))
    } finally {
      await wide.close()
    }
  })
})

describe('ports', () => {
  it('that other programs have are left out', async () => {
    const other = createServer()
    other.listen(first, '127.0.0.1')
    await once(other, 'listening')
    const { line, port } = await machine()
    expect(port).toBe(first + 1)
    await hear(line, come(port))
    other.close()
  })

  it('that are all in use leave a console without a door, which it says; it has one when a port is free', async () => {
    const three = [await machine(), await machine(), await machine()]
    expect(new Set(three.map(({ port }) => port)).size).toBe(3)
    const fourth = await room.node()
    const trouble = async () => (await findConsole(room.db, fourth))?.tcpTrouble
    await until(trouble, 'the complaint')
    expect(await trouble()).toBe(
      `no port of console.tcp_ports ${first}-${first + 2} is free; allow more ports`,
    )
    // The console itself is up.
    await until(() => room.line(fourth).live, 'the line')
    const [one] = three
    await room.db
      .updateTable('nodes')
      .set({ console_enabled: false })
      .where('uuid', '=', one?.node as string)
      .execute()
    await until(() => door(fourth), 'the door')
    expect((await findConsole(room.db, fourth))?.tcpTrouble).toBeNull()
    expect(Number((await door(fourth))?.port)).toBe(one?.port)
  })
})
