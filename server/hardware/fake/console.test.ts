/** The terminal of a fake machine. */
import { expect, test } from 'vitest'
import { testNode } from '../testing.ts'
import { console } from './console.ts'

const until = async (what: () => unknown) => {
  await expect.poll(what, { timeout: 4_000, interval: 5 }).toBeTruthy()
}

async function open(driver_info: Record<string, unknown> = {}) {
  const chunks: Buffer[] = []
  const told: string[] = []
  const lost: { taken: boolean; error: Error }[] = []
  const line = await console.open?.(
    testNode({ name: 'demo', driver_info }),
    {
      data: (bytes) => void chunks.push(Buffer.from(bytes)),
      activating: () => void told.push('activating'),
      remember: () => void told.push('remember'),
      drained: () => void told.push('drained'),
      noted: (event) => void told.push(event),
      lost: (reason) => void lost.push(reason),
    },
    { signal: new AbortController().signal, whenTaken: 'retake', keepAliveMs: 2_000, remembered: null },
  )
  if (line === undefined) throw new Error('a fake machine has a console')
  const type = (text: string) => line.write(Buffer.from(text, 'latin1'))
  return { line, type, got: () => Buffer.concat(chunks).toString('latin1'), told, lost }
}

test('greets, echoes, and answers', async () => {
  const { type, got, told } = await open()
  await until(() => got().endsWith('demo$ '))
  type('echo hi')
  type('\r')
  await until(() => got().endsWith('demo$ echo hi\r\nhi\r\ndemo$ '))
  expect(told).toContain('drained')
})

test('floods exactly that many bytes', async () => {
  const { type, got } = await open()
  await until(() => got().endsWith('demo$ '))
  const before = got().length
  type('flood 10000\r')
  await until(() => got().endsWith('demo$ ') && got().length > before + 20)
  expect(got().length - before).toBe('flood 10000\r\n'.length + 10_000 + 'demo$ '.length)
})

test('loses its line, or has it taken, when told to, and says nothing after that', async () => {
  for (const [word, taken] of [
    ['lose', false],
    ['steal', true],
  ] as const) {
    const { type, lost, got } = await open()
    type(`${word}\r`)
    await until(() => lost.length === 1)
    const said = got()
    expect([lost[0]?.taken, type('x')]).toEqual([taken, false])
    expect(got()).toBe(said)
  }
})

test('says nothing after it was closed', async () => {
  const { line, type, got, lost } = await open()
  await until(() => got().endsWith('demo$ '))
  type('echo late\r')
  await line.close()
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect([got().includes('late'), lost]).toEqual([false, []])
})

test('fails to open when its knobs say so', async () => {
  await expect(open({ fake_fail: 'console.open' })).rejects.toMatchObject({ code: 'unavailable' })
})
