/** Turns a machine off as part of something greater: one that is off already is left alone. */
import type { Bounds } from '../../hardware/index.ts'
import type { Run } from '../run.ts'

export async function powerOff(run: Run, bounds: Bounds): Promise<void> {
  if (run.node.disable_power_off) return
  const power = run.hardware.implementation(run.node, 'power')
  if ((await power.getState(run.node, bounds)) === 'power off') return
  const timeoutMs = run.config['conductor.power_change_timeout_seconds'] * 1000
  await power.setState(run.node, 'power off', { ...bounds, timeoutMs })
}
