import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LeaseholdError } from '../errors.ts'
import type { Line, LineEvents } from '../hardware/index.ts'
import { pauseBefore, superviseLine } from './supervisor.ts'
import { until } from './testing.ts'
import type { LineState, LineStatus } from './types.ts'
import { typist } from './typist.ts'

describe('the pause between two tries', () => {
  it('is from 0.25 to 5 s, whatever the chance, and wider after each failure', () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
        const pause = pauseBefore(failures, random)
        expect(pause).toBeGreaterThanOrEqual(250)
        expect(pause).toBeLessThanOrEqual(5_000)
        expect(pauseBefore(failures + 1, random)).toBeGreaterThanOrEqual(pause)
      }),
    )
  })
})

/** A machine whose line fails and is lost as it is told. */
function machine() {
  const states: LineState[] = []
  const statuses: LineStatus[] = []
  const got: string[] = []
  let events: LineEvents | undefined
  let signal: AbortSignal | undefined
  let closes = 0
  let open: () => Promise<Line> = async () => line
  const line: Line = {
    write: () => true,
    queued: 0,
    close: async () => {
      closes += 1
    },
  }
  const supervisor = superviseLine({
    open(told, given) {
      events = told
      signal = given
      told.activating()
      return open()
    },
    data: (bytes) => void got.push(bytes.toString()),
    remember: () => {},
    noted: () => {},
    writable: () => {},
    changed: (status) => {
      states.push(status.state)
      statuses.push(status)
    },
    openTimeoutMs: 200,
  })
  return {
    supervisor,
    states,
    statuses,
    got,
    get closes() {
      return closes
    },
    get signal() {
      return signal
    },
    events: () => events as LineEvents,
    opens: (next: () => Promise<Line>) => {
      open = next
    },
    line,
  }
}

describe('a supervised line', () => {
  it('goes from idle over opening and activating to up, and back to idle when it is closed', async () => {
    const { supervisor, states } = machine()
    expect(supervisor.status.state).toBe('idle')
    await until(() => supervisor.status.state === 'up')
    await supervisor.close()
    expect(states).toEqual(['opening', 'activating', 'up', 'idle'])
  })

  it('is tried again after every failure, and says the reason all the while', async () => {
    const one = machine()
    let tries = 0
    one.opens(async () => {
      tries += 1
      if (tries < 3) throw new LeaseholdError('unavailable', `no answer ${tries}`)
      return one.line
    })
    await until(() => one.supervisor.status.state === 'up')
    expect(one.statuses.filter(({ state }) => state === 'backing off').map(({ reason }) => reason)).toEqual([
      'no answer 1',
      'no answer 2',
    ])
    expect(one.supervisor.status.reason).toBeNull()
    await one.supervisor.close()
  })

  it('that does not come about in its time is given up, and its driver is told', async () => {
    const one = machine()
    one.opens(
      () =>
        new Promise((_, reject) =>
          one.signal?.addEventListener('abort', () => reject(one.signal?.reason as Error)),
        ),
    )
    await until(() => one.supervisor.status.state === 'backing off')
    expect(one.supervisor.status.reason).toContain('no line within 0.2 s')
    await one.supervisor.close()
  })

  it('says nothing any more once it is lost, whatever its driver still sends', async () => {
    const one = machine()
    await until(() => one.supervisor.status.state === 'up')
    const old = one.events()
    old.data(Buffer.from('a'))
    old.lost({ taken: false, error: new Error('gone') })
    await until(() => one.supervisor.status.state === 'backing off')
    old.data(Buffer.from('ghost'))
    await until(() => one.supervisor.status.state === 'up')
    one.events().data(Buffer.from('b'))
    expect(one.got).toEqual(['a', 'b'])
    expect(one.closes).toBe(1)
    await one.supervisor.close()
    expect(one.closes).toBe(2)
  })

  it('ends at once when it is closed while it pauses', async () => {
    const one = machine()
    one.opens(async () => {
      throw new LeaseholdError('invalid', 'the password is wrong')
    })
    await until(() => one.supervisor.status.state === 'backing off')
    const begun = performance.now()
    await one.supervisor.close()
    expect(performance.now() - begun).toBeLessThan(200)
  })
})

describe('keys', () => {
  it('reach the machine in order and once, however often there is no room', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 9_000 }), { maxLength: 8 }),
        fc.array(fc.boolean(), { maxLength: 40 }),
        (messages, room) => {
          const taken: Buffer[] = []
          let asked = 0
          let paused = 0
          const keys = typist(
            {
              write(bytes: Buffer) {
                if (room[asked++] === false) return false
                taken.push(Buffer.from(bytes))
                return true
              },
            } as never,
            { pause: () => void paused++, resume: () => void paused-- },
          )
          for (const message of messages) keys.type(Buffer.from(message))
          for (let turn = 0; turn < 100; turn += 1) keys.writable()
          expect(Buffer.concat(taken).equals(Buffer.concat(messages))).toBe(true)
        },
      ),
    )
  })
})
