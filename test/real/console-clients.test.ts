/** Other people's clients of Serial over LAN on our simulated BMC: what they and our own client do alike is no accident. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../../server/console/testing.ts'
import { type Lab, type LabMachine, startLab } from '../../server/lab/index.ts'
import { freeTcpPort, ipmitool, ipmitoolWords, needPrograms, type Running, start } from './programs.ts'

let directory: string
let lab: Lab
let machine: LabMachine
/** What came to the machine: bytes, and `<break>`. It says back what is typed. */
let heard = ''
const running: Running[] = []

beforeAll(async () => {
  await needPrograms('ipmitool', 'ipmiconsole', 'conmand', 'conman', 'script')
  directory = await mkdtemp(join(tmpdir(), 'leasehold-sol-clients-'))
})
beforeEach(async () => {
  // FreeIPMI takes no port above 32767.
  const basePort = 20_000 + Math.floor(Math.random() * 10_000)
  lab = await startLab({ count: 1, serial: 'quiet', basePort })
  machine = lab.machines[0] as LabMachine
  heard = ''
  machine.serial.onInput((bytes) => {
    heard += bytes.toString('latin1')
    machine.serial.write(bytes)
  })
  machine.serial.onBreak(() => {
    heard += '<break>'
  })
})
afterEach(async () => {
  for (const program of running.splice(0)) await program.end('SIGKILL')
  await lab.close()
})
afterAll(() => rm(directory, { recursive: true }))

const begin = (program: string, words: readonly string[], environment: Record<string, string> = {}) => {
  const begun = start(program, words, { env: { ...process.env, ...environment } })
  running.push(begun)
  return begun
}
/** For programs that want a terminal. */
const onTerminal = (command: string) => begin('script', ['-qfec', command, '/dev/null'])
/** Nothing is left at the BMC. */
const released = async () => {
  await until(() => machine.sessionCount() === 0, 'the session’s end')
  expect(machine.solOwner()).toBeUndefined()
}

describe.each(['3', '17'])('with cipher suite %s', (suite) => {
  describe('ipmitool sol activate', () => {
    const activate = () =>
      begin('ipmitool', [...ipmitoolWords(machine, ['-C', suite]), 'sol', 'activate'], {
        IPMI_PASSWORD: machine.password,
      })
    const tool = (...words: string[]) => ipmitool(machine, machine.password, ['-C', suite], words)

    test('types, is echoed every byte, breaks, and leaves', async () => {
      const client = activate()
      await until(() => machine.solOwner() !== undefined, 'SOL')
      // All but the carriage return and the tilde, which are ipmitool's own.
      const bytes = Buffer.from(
        Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 13 && byte !== 126),
      )
      client.type(bytes)
      await until(() => client.bytes.includes(bytes), 'the echo')
      expect(Buffer.from(heard, 'latin1').equals(bytes)).toBe(true)
      client.type('\r~B')
      await until(() => heard.includes('<break>'), 'the break')
      const log = Buffer.from(Array.from({ length: 2_000 }, (_, line) => `line ${line}\r\n`).join(''))
      machine.serial.write(log)
      await until(() => client.bytes.includes(log), 'a long log')
      client.type('\r')
      await until(() => heard.endsWith('\r'))
      client.type('~.')
      expect(await client.ended).toBe(0)
      await released()
    })

    test('is refused while another has SOL, which sol deactivate takes from it', async () => {
      activate()
      await until(() => machine.solOwner() !== undefined, 'SOL')
      const second = activate()
      expect(await second.ended).toBe(1)
      expect(second.said).toContain('SOL payload already active on another session')
      expect((await tool('sol', 'deactivate')).code).toBe(0)
      expect(machine.solOwner()).toBeUndefined()
      const third = activate()
      await until(() => machine.solOwner() !== undefined, 'SOL')
      third.type('mine')
      await until(() => heard === 'mine', 'what the third typed')
    })

    test('reads the settings of SOL, and how its payloads are', async () => {
      const info = await tool('sol', 'info', '1')
      expect(info).toMatchObject({ code: 0 })
      expect(info.output).toMatch(/Enabled\s+: true/)
      expect(info.output).toMatch(/Payload Port\s+: \d+/)
      expect(await tool('sol', 'payload', 'status', '1', '2')).toMatchObject({
        code: 0,
        output: expect.stringContaining('enabled'),
      })
    })
  })

  test('ipmiconsole types, is echoed, breaks, steals and leaves', async () => {
    const settings = join(directory, 'freeipmi.conf')
    await writeFile(settings, `username ${machine.username}\npassword ${machine.password}\n`, { mode: 0o600 })
    const console = (...words: string[]) =>
      onTerminal(
        `ipmiconsole -h ${machine.address}:${machine.port} --config-file ${settings} -I ${suite} ${words.join(' ')}`,
      )
    const first = console()
    await until(() => first.said.includes('[SOL established]'), 'SOL')
    first.type('hello')
    await until(() => first.said.includes('hello'), 'the echo')
    first.type('&B')
    await until(() => heard === 'hello<break>', 'the break')
    const owner = machine.solOwner()
    const polite = console('--dont-steal')
    await polite.ended
    expect(polite.said).toContain('SOL in use')
    expect(machine.solOwner()).toBe(owner)
    const thief = console()
    await until(() => thief.said.includes('[SOL established]'), 'the stolen SOL')
    await until(() => first.said.includes('SOL'), 'the end of the first')
    expect(machine.solOwner()).not.toBe(owner)
    thief.type('mine')
    await until(() => heard.endsWith('mine'), 'what the thief typed')
    await first.end('SIGKILL')
    thief.type('&.')
    expect(await thief.ended).toBe(0)
    await until(() => machine.solOwner() === undefined, 'SOL set free')
  })

  test('ConMan keeps the console, shows and logs it, breaks, and has it again after the BMC has ended it', async () => {
    const port = await freeTcpPort()
    const own = await mkdtemp(join(directory, 'conman-'))
    const settings = [
      `server port=${port}`,
      'server loopback=on',
      'server tcpwrappers=off',
      `server pidfile="${own}/pid"`,
      `server logdir="${own}"`,
      'global log="%N.log"',
      `global ipmiopts="U:${machine.username},P:${machine.password},C:${suite}"`,
      `console name="lab" dev="ipmi:${machine.address}:${machine.port}"`,
    ]
    await writeFile(join(own, 'conf'), `${settings.join('\n')}\n`, { mode: 0o600 })
    const daemon = begin('conmand', ['-F', '-c', join(own, 'conf')])
    await until(() => machine.solOwner() !== undefined, 'SOL')
    const viewer = onTerminal(`conman -d 127.0.0.1:${port} lab`)
    await until(() => viewer.said.includes('Connection to console [lab] opened'), 'the viewer')
    viewer.type('hello')
    await until(() => viewer.said.includes('hello'), 'the echo')
    viewer.type('&B')
    await until(() => heard === 'hello<break>', 'the break')
    const log = Array.from({ length: 500 }, (_, line) => `line ${line}\r\n`).join('')
    machine.serial.write(log)
    await until(() => viewer.said.includes(log), 'a long log')
    await until(
      async () => (await readFile(join(own, 'lab.log'), 'latin1')).includes(log),
      'ConMan’s own log',
    )
    machine.endSol(true)
    await until(() => viewer.said.includes('disconnected'), 'the loss')
    await until(() => machine.solOwner() !== undefined, 'SOL again', 60_000)
    viewer.type('again')
    await until(() => heard.endsWith('again'), 'what was typed then')
    viewer.type('&.')
    expect(await viewer.ended).toBe(0)
    await daemon.end('SIGTERM')
    await released()
  })
})
