/** A change of power, asked for by itself: the provision state stays. */
import type { NodeChanges } from '../nodes.sql.ts'
import type { Workflow } from '../run.ts'

export const power: Workflow = async (run) => {
  const order = run.work.power
  if (!order) throw new Error('The power change names no target')
  const implementation = run.hardware.implementation(run.node, 'power')
  // A reboot is two changes, each with the time of its own.
  const reboots = order.target === 'rebooting' || order.target === 'soft rebooting'
  await run.effect(
    `Changing power to "${order.target}"`,
    (bounds) => implementation.setState(run.node, order.target, { ...bounds, timeoutMs: order.timeoutMs }),
    { timeoutMs: order.timeoutMs * (reboots ? 2 : 1) + graceMs },
  )
  const changes: NodeChanges = {
    power_state: run.node.target_power_state,
    target_power_state: null,
    work: run.work.suspended ? JSON.stringify(run.work.suspended) : null,
  }
  return { end: 'done', changes }
}

/** The implementation's own timeout says more than ours, so it comes first, milliseconds. */
const graceMs = 5_000
