/** Power over IPMI: asks for a change, then watches the machine until it shows it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LeaseholdError } from '../../errors.ts'
import {
  type Bounds,
  type Node,
  type PowerInterface,
  type PowerState,
  type PowerTarget,
  powerTargets,
} from '../types.ts'
import type { AskBmc } from './bmc.ts'
import { ipmiProperties, readBmcAccess } from './driver-info.ts'
import { setBootDevice } from './management.ts'

type TimedBounds = Bounds & { timeoutMs: number }

/** The power interface `ipmitool` (the name that Ironic's nodes have; no such program is run). */
export function createIpmiPower(ask: AskBmc): PowerInterface {
  const getState = async (node: Node, bounds: Bounds & { deadlineMs?: number }): Promise<PowerState> => {
    const { power } = await ask(node, bounds, (client, target, options) =>
      client.chassisStatus(target, options),
    )
    return power === 'on' ? 'power on' : 'power off'
  }

  const turnOn = async (node: Node, bounds: TimedBounds) => {
    const device = node.boot_device
    if (readBmcAccess(node).forceBootDevice && device?.persistent === true)
      await setBootDevice(ask, node, device.boot_device, false, bounds)
    await reach(node, 'power on', 'on', bounds)
  }

  /** Asks for `action` unless the machine is in `wanted` already, and waits until it is. */
  const reach = async (
    node: Node,
    wanted: PowerState,
    action: 'on' | 'off' | 'soft',
    bounds: TimedBounds,
  ) => {
    const deadline = Date.now() + bounds.timeoutMs
    const left = () => ({ signal: bounds.signal, deadlineMs: Math.max(1, deadline - Date.now()) })
    const state = await patiently(() => getState(node, left()), deadline, bounds)
    if (state === wanted) return
    await patiently(
      () => ask(node, left(), (client, target, options) => client.chassisControl(target, action, options)),
      deadline,
      bounds,
    )
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      if ((await patiently(() => getState(node, left()), deadline, bounds)) === wanted) return
      if (Date.now() + pauseMs >= deadline) throw tooSlow(node, wanted, action, bounds.timeoutMs)
      await pause(pauseMs, bounds)
    }
  }

  const ways: Readonly<Record<PowerTarget, (node: Node, bounds: TimedBounds) => Promise<void>>> = {
    'power on': turnOn,
    'power off': (node, bounds) => reach(node, 'power off', 'off', bounds),
    'soft power off': (node, bounds) => reach(node, 'power off', 'soft', bounds),
    // Off and on rather than the BMC's own cycle: that the machine really was off is then known.
    rebooting: async (node, bounds) => {
      await reach(node, 'power off', 'off', bounds)
      await turnOn(node, bounds)
    },
    'soft rebooting': async (node, bounds) => {
      await reach(node, 'power off', 'soft', bounds)
      await turnOn(node, bounds)
    },
  }

  return {
    name: 'ipmitool',
    properties: ipmiProperties,
    validate: (node) => void readBmcAccess(node),
    supported: powerTargets,
    getState,
    async setState(node, target, bounds) {
      // A BMC that does not answer at all is told of at once; patience is for one that did.
      await getState(node, { signal: bounds.signal, deadlineMs: bounds.timeoutMs })
      await ways[target](node, bounds)
    },
  }
}

/** BMCs go busy or silent for a moment while power changes: asks again until it answers or time is up. */
async function patiently<T>(ask: () => Promise<T>, deadline: number, bounds: Bounds): Promise<T> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await ask()
    } catch (error) {
      const passing =
        error instanceof LeaseholdError && (error.code === 'unavailable' || error.code === 'conflict')
      if (!passing || bounds.signal.aborted || Date.now() + pauseMs >= deadline) throw error
    }
    await pause(pauseMs, bounds)
  }
}

const firstPauseMs = 200
const longestPauseMs = 2_000

const pause = (forMs: number, { signal }: Bounds): Promise<void> =>
  sleep(forMs, undefined, { signal }).catch(() => signal.throwIfAborted())

function tooSlow(node: Node, wanted: PowerState, action: string, timeoutMs: number): LeaseholdError {
  const remedy =
    action === 'soft'
      ? 'its operating system may ignore the request; use "power off", which does not ask it'
      : 'allow more time, or look at the machine'
  return new LeaseholdError(
    'unavailable',
    `BMC ${String(node.driver_info.ipmi_address)}: the machine did not reach "${wanted}" within ${timeoutMs / 1000} s; ${remedy}.`,
  )
}
