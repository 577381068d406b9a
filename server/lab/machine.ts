/** A simulated machine: power, what it boots from, how long that takes, and a log of what happened to it. */
import { createHash } from 'node:crypto'

export type Power = 'on' | 'off'

/** `stopping`: asked to shut down and not there yet. */
export type Phase = 'off' | 'booting' | 'running' | 'stopping'

export type MachineEvent = { at: string; event: string; detail?: string }

/** System Boot Options parameters as bytes (IPMI 2.0, table 28-14). */
export type BootOptions = {
  setInProgress: number
  flagClearing: number
  acknowledge: [number, number]
  flags: [number, number, number, number, number]
}

/** What survives a restart of the lab. */
export type MachineState = { power: Power; boot: BootOptions; history: MachineEvent[] }

export type MachineTimes = {
  /** From power on to an operating system. */
  bootMs: number
  /** From the request to shut down to power off. */
  softOffMs: number
  /** How long a power cycle leaves the machine off. */
  cycleMs: number
}

export type PowerAction = 'off' | 'on' | 'cycle' | 'reset' | 'diag' | 'soft'

export type Machine = {
  readonly name: string
  readonly macAddresses: readonly [string, string]
  readonly guid: Buffer
  readonly state: MachineState
  readonly phase: Phase
  readonly identifying: boolean
  /** Does it, or says false where the present state does not allow it. */
  control(action: PowerAction, by: string): boolean
  setBootFlags(flags: BootOptions['flags']): void
  identify(seconds: number | 'forever'): void
  note(event: string, detail?: string): void
  stop(): void
}

/** Makes a machine as it was left, or a new one that is off. A machine that was on is found running. */
export function createMachine(
  name: string,
  times: MachineTimes,
  saved: MachineState | undefined,
  changed: (event: MachineEvent) => void,
): Machine {
  const state: MachineState = saved ?? { power: 'off', boot: emptyBootOptions(), history: [] }
  const identity = createHash('sha256').update(`leasehold lab ${name}`).digest()
  let phase: Phase = state.power === 'on' ? 'running' : 'off'
  let phaseTimer: NodeJS.Timeout | undefined
  let flagsTimer: NodeJS.Timeout | undefined
  let identifyTimer: NodeJS.Timeout | undefined
  let identifying = false

  const note = (event: string, detail?: string) => {
    const entry = { at: new Date().toISOString(), event, ...(detail === undefined ? {} : { detail }) }
    state.history.push(entry)
    if (state.history.length > historyLength) state.history.shift()
    changed(entry)
  }

  const enter = (next: Phase, then?: { afterMs: number; act: () => void }) => {
    clearTimeout(phaseTimer)
    phase = next
    state.power = next === 'off' ? 'off' : 'on'
    phaseTimer = then && setTimeout(then.act, then.afterMs).unref()
  }

  const boot = () => {
    clearTimeout(flagsTimer)
    const from = bootSource(state.boot.flags)
    // The firmware uses up a setting that is for one boot only.
    if (!(state.boot.flags[0] & 0x40)) state.boot.flags = [0, 0, 0, 0, 0]
    enter('booting', {
      afterMs: times.bootMs,
      act: () => {
        enter('running')
        note('booted', from)
      },
    })
  }

  const turnOff = () => enter('off')

  const actions: Readonly<Record<PowerAction, () => boolean>> = {
    on: () => {
      if (phase === 'off') boot()
      return true
    },
    off: () => {
      turnOff()
      return true
    },
    soft: () => {
      if (phase === 'off') return true
      enter('stopping', {
        afterMs: times.softOffMs,
        act: () => {
          turnOff()
          note('shut down')
        },
      })
      return true
    },
    cycle: () => {
      if (phase === 'off') return false
      turnOff()
      enter('off', {
        afterMs: times.cycleMs,
        act: () => {
          boot()
          note('power on', 'end of power cycle')
        },
      })
      return true
    },
    reset: () => {
      if (phase === 'off') return false
      boot()
      return true
    },
    diag: () => phase !== 'off',
  }

  return {
    name,
    macAddresses: [macAddress(identity, 0), macAddress(identity, 3)],
    guid: identity.subarray(8, 24),
    state,
    get phase() {
      return phase
    },
    get identifying() {
      return identifying
    },
    control(action, by) {
      const done = actions[action]()
      note(done ? `power ${action}` : `power ${action} refused`, by)
      return done
    },
    setBootFlags(flags) {
      clearTimeout(flagsTimer)
      state.boot.flags = flags
      if (flags[0] & 0x80 && !(state.boot.flagClearing & 0x08)) {
        flagsTimer = setTimeout(() => {
          state.boot.flags[0] &= 0x7f
          note('boot device forgotten', 'no power command within 60 seconds')
        }, 60_000).unref()
      }
      note('boot device set', bootSource(flags))
    },
    identify(seconds) {
      clearTimeout(identifyTimer)
      identifying = seconds !== 0
      if (typeof seconds === 'number' && seconds > 0) {
        identifyTimer = setTimeout(() => {
          identifying = false
        }, seconds * 1_000).unref()
      }
      note('identify', String(seconds))
    },
    note,
    stop() {
      for (const timer of [phaseTimer, flagsTimer, identifyTimer]) clearTimeout(timer)
    },
  }
}

/** "pxe", "disk, every time, UEFI", or "default" where nothing is set. */
export function bootSource(flags: BootOptions['flags']): string {
  if (!(flags[0] & 0x80)) return 'default'
  const device = deviceNames[(flags[1] >> 2) & 0x0f] ?? 'unknown'
  const words = [device, flags[0] & 0x40 ? 'every time' : undefined, flags[0] & 0x20 ? 'UEFI' : undefined]
  return words.filter((word) => word !== undefined).join(', ')
}

const historyLength = 200

const deviceNames: Readonly<Record<number, string>> = {
  0: 'default',
  1: 'pxe',
  2: 'disk',
  3: 'safe',
  4: 'diag',
  5: 'cdrom',
  6: 'bios',
  7: 'remote-floppy',
  8: 'remote-cdrom',
  9: 'remote-media',
  11: 'remote-disk',
  15: 'floppy',
}

function emptyBootOptions(): BootOptions {
  return { setInProgress: 0, flagClearing: 0, acknowledge: [0, 0], flags: [0, 0, 0, 0, 0] }
}

/** A locally administered address, always the same for the same machine. */
function macAddress(identity: Buffer, at: number): string {
  const bytes = [0x52, 0x54, 0x00, ...identity.subarray(at, at + 3)]
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}
