/** What open serial consoles cost: opening them, keeping them, echo, output. The simulated BMCs are a process of their own. */
import { fork } from 'node:child_process'
import { createIpmiClient, type Sol, type Target } from '@leasehold/ipmi'
import { startLab } from '../server/lab/index.ts'

type FromLab = { ports: number[] }
type ToLab = 'close' | { bytesPerSecond: number }

const count = Number(process.argv[2] ?? 1_000)
const seconds = Number(process.argv[3] ?? 20)
if (process.send === undefined) await measure()
else await playLab(process.send.bind(process))

/** The BMCs: what is typed is echoed, and all together say so many bytes a second. */
async function playLab(tell: (message: FromLab) => void): Promise<void> {
  const lab = await startLab({ count, serial: 'quiet' })
  for (const { serial } of lab.machines) serial.onInput((bytes) => serial.write(bytes))
  let bytesPerSecond = 0
  let next = 0
  setInterval(() => {
    for (let sent = 0; sent < bytesPerSecond / 100; sent += 50, next += 1) {
      lab.machines[next % count]?.serial.write(Buffer.alloc(50, 'x'))
    }
  }, 10)
  process.on('message', (message: ToLab) => {
    if (message !== 'close') bytesPerSecond = message.bytesPerSecond
    else void lab.close().then(() => process.exit())
  })
  tell({ ports: lab.machines.map(({ port }) => port) })
}

async function measure(): Promise<void> {
  const lab = fork(import.meta.filename, process.argv.slice(2))
  const { ports } = await new Promise<FromLab>((resolve) => lab.once('message', resolve as () => void))
  const ipmi = createIpmiClient()
  const megabytes = () => {
    globalThis.gc?.()
    return process.memoryUsage.rss() / 1e6
  }
  let received = 0
  let lost = 0
  let onEcho: (index: number) => void = () => {}
  const target = (port: number): Target => ({
    address: '127.0.0.1',
    port,
    username: 'admin',
    password: 'leasehold',
    cipherSuite: 17,
  })
  const open = (port: number, index: number): Promise<Sol> =>
    ipmi.openSol(target(port), {
      whenTaken: 'retake',
      onData: (bytes) => {
        received += bytes.length
        onEcho(index)
      },
      onLost: () => {
        lost += 1
      },
    })

  const before = megabytes()
  const startedAt = performance.now()
  const sols = await Promise.all(ports.map(open))
  console.log(`${count} consoles open in ${((performance.now() - startedAt) / 1_000).toFixed(2)} s`)
  await pause(3_000)

  const percentOfCore = async (what: string) => {
    const cpu = process.cpuUsage()
    const from = performance.now()
    await pause(seconds * 1_000)
    const { user, system } = process.cpuUsage(cpu)
    const share = (user + system) / 10 / (performance.now() - from)
    console.log(`${what}: ${share.toFixed(1)} % of a core`)
  }
  await percentOfCore('idle, keepalive every 2 s')
  const after = megabytes()
  console.log(
    `memory: ${(((after - before) * 1_000) / count).toFixed(0)} KB a console (${after.toFixed(0)} MB in all)`,
  )

  const times: number[] = []
  for (let round = 0; round < 1_000; round += 1) {
    const index = Math.floor(Math.random() * count)
    const from = performance.now()
    await new Promise<void>((resolve) => {
      onEcho = (from) => from === index && resolve()
      sols[index]?.write(Buffer.from('x'))
    })
    times.push(performance.now() - from)
    await pause(5)
  }
  onEcho = () => {}
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(times.length * share)]?.toFixed(2)
  console.log(`echo, one character: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`)

  lab.send({ bytesPerSecond: 100_000 } satisfies ToLab)
  await pause(500)
  const receivedBefore = received
  await percentOfCore('100 KB/s altogether in packets of 50 bytes')
  console.log(
    `received ${Math.round((received - receivedBefore) / seconds / 1_000)} KB/s; lost consoles: ${lost}`,
  )
  lab.send({ bytesPerSecond: 0 } satisfies ToLab)

  const closingAt = performance.now()
  await ipmi.close()
  console.log(`all closed in ${((performance.now() - closingAt) / 1_000).toFixed(2)} s`)
  lab.send('close' satisfies ToLab)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
