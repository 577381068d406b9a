/** `leasehold console` as a user starts it, in pipes; on a terminal it is in test/real/console-ssh.test.ts. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type StubConsole, type StubService, stubConsole, stubService } from '../console/doors/testing.ts'

const program = resolve(import.meta.dirname, '../../bin/leasehold')
let room: StubConsole
let service: StubService
let directory: string
let children: ChildProcess[]
beforeEach(async () => {
  room = stubConsole()
  service = await stubService(room)
  directory = await mkdtemp(join(tmpdir(), 'leasehold-cli-'))
  children = []
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  await until(() => room.open() === 0)
  await service.close()
  await rm(directory, { recursive: true, force: true })
})

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`does not come true: ${holds}`)
    await wait(5)
  }
}

function run(words: readonly string[], environment: Record<string, string> = {}, command = program) {
  const child = spawn(command, ['console', ...words], {
    cwd: directory,
    env: {
      PATH: process.env.PATH,
      HOME: directory,
      OS_AUTH_URL: `${service.url}/identity`,
      OS_USERNAME: 'alice',
      OS_PASSWORD: 'right',
      OS_PROJECT_NAME: 'lab',
      ...environment,
    },
  })
  children.push(child)
  const out: Buffer[] = []
  let err = ''
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes))
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes
  })
  const status = new Promise((done) => child.on('close', (code, signal) => done(code ?? signal)))
  return { child, out: () => Buffer.concat(out), err: () => err, status }
}
const watcher = (index = 0) => room.watchers[index] as StubConsole['watchers'][number]
const allBytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value))

it('pipes every byte both ways, records it, and leaves after the input and a silence', async () => {
  const { child, out, err, status } = run(['machine-1', '--linger', '1', '--record', 'log', '--offset', '5'])
  child.stdin.end(Buffer.concat([Buffer.from('\r~.'), allBytes]))
  await until(() => room.watchers.length === 1 && watcher().typed.length > 0)
  expect(watcher().options).toMatchObject({ mode: 'write', offset: 5 })
  watcher().sink.bytes(5, allBytes)
  expect(await status).toBe(0)
  // Escapes are for those who type.
  expect(Buffer.concat(watcher().typed)).toEqual(Buffer.concat([Buffer.from('\r~.'), allBytes]))
  expect(out()).toEqual(allBytes)
  expect(await readFile(join(directory, 'log'))).toEqual(allBytes)
  expect((await stat(join(directory, 'log'))).mode & 0o777).toBe(0o600)
  expect(err()).toMatch(/^\[machine-1: line up; power on; you type here;.*\]\n$/)
  expect(service.logins[0]).toMatchObject({ scope: { project: { name: 'lab' } } })
})

it('goes on after a break of the connection, and loses no input to it', async () => {
  const { child, out, err, status } = run(['machine-1', '--linger', '0'])
  await until(() => room.watchers.length === 1)
  watcher().sink.bytes(0, Buffer.from('before '))
  await until(() => out().length === 7)
  const { attach } = room
  let opened = false
  room.attach = async (...all) => {
    while (!opened) await wait(5)
    return attach(...all)
  }
  service.breakOff()
  await until(() => err().includes('connecting again'))
  child.stdin.end('typed meanwhile')
  await wait(50)
  opened = true
  await until(() => room.watchers.length === 2 && watcher(1).typed.length > 0)
  expect(watcher(1).options.offset).toBe(7)
  expect([await status, Buffer.concat(watcher(1).typed).toString()]).toEqual([0, 'typed meanwhile'])
})

it.each<[string, string[], Record<string, string>, number, RegExp]>([
  ['a node that is absent', ['absent-1'], {}, 3, /Node absent-1 could not be found/],
  ['a node that is hidden', ['hidden-1'], {}, 3, /Node hidden-1 could not be found/],
  ['a node that is forbidden', ['forbidden-1'], {}, 3, /Access was denied/],
  ['a wrong password', ['machine-1'], { OS_PASSWORD: 'wrong' }, 1, /answers 401: The request requires/],
  ['no cloud', ['machine-1'], { OS_AUTH_URL: '' }, 1, /There is no clouds.yaml/],
  [
    'a cloud that is not there',
    ['machine-1'],
    { OS_AUTH_URL: 'http://127.0.0.1:1' },
    1,
    /can not be reached/,
  ],
  ['no node', [], {}, 2, /name a node/],
  ['a file that can not be written', ['machine-1', '--record', '/nonesuch/x'], {}, 1, /--record: ENOENT/],
])('says of %s what is wrong, by status too', async (_, words, environment, code, said) => {
  const { status, err, out } = run(words, environment)
  expect([await status, out().length]).toEqual([code, 0])
  expect(err()).toMatch(said)
  expect(err().split('\n')).toHaveLength(2)
})

it('is cut with a reason', async () => {
  const { status, err } = run(['machine-1', '--read-only'])
  await until(() => room.watchers.length === 1)
  expect(watcher().options.mode).toBe('read')
  room.cut(watcher(), 'lease-ended')
  expect(await status).toBe(1)
  expect(err()).toContain('[machine-1: the node has changed hands]\n')
})

it('says when what was piped in was not typed', async () => {
  room = stubConsole({ mode: 'read' })
  await service.close()
  service = await stubService(room)
  const { child, status, err } = run(['machine-1'])
  child.stdin.end('reboot\n')
  expect(await status).toBe(1)
  expect(err()).toContain('was not typed')
})

it('runs through a link to it, and leaves when told to', async () => {
  const link = join(directory, 'leasehold')
  await symlink(program, link)
  const { child, status } = run(['machine-1'], {}, link)
  await until(() => room.open() === 1)
  child.kill('SIGTERM')
  await until(() => room.open() === 0)
  expect(await status).toBe('SIGTERM')
})

it('tells how it is used', async () => {
  const { status, out } = run(['--help'])
  expect([await status, out().toString()]).toEqual([0, expect.stringContaining('--read-only')])
})
