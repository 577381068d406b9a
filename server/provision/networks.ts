/** A node's networks at the steps of workflows: which it is in is verified before anything else happens. */
import type { NetworkRole } from '../hardware/index.ts'
import type { End, Run } from './run.ts'

/** Puts the node into a role; does nothing where its network interface knows none. */
export async function enterNetworks(run: Run, role: NetworkRole): Promise<void> {
  const network = run.hardware.implementation(run.node, 'network')
  const { enter } = network
  if (!enter) return
  await run.effect(titles[role], (bounds) => enter.call(network, run.node, role, bounds))
}

/** The same when a workflow ends well; one that waits stays in the networks it is in. */
export async function leaveNetworks(run: Run, end: End, role: NetworkRole): Promise<End> {
  if (end.end === 'done') await enterNetworks(run, role)
  return end
}

/** Isolates the node when a later part of the workflow fails. */
export function isolateOnFailure(run: Run): void {
  const network = run.hardware.implementation(run.node, 'network')
  const { enter } = network
  if (enter)
    run.onFailure('Isolation after the failure', (bounds) => enter.call(network, run.node, 'idle', bounds))
}

/** Whether a workflow is at its beginning, and does not go on after a wait. */
export const begins = (run: Run): boolean => run.work.from === 0 && run.work.outcome === undefined

const titles: Record<NetworkRole, string> = {
  idle: 'Isolation of its switch ports',
  provisioning: 'Provisioning network',
  cleaning: 'Cleaning network',
  rescuing: 'Rescue network',
  inspecting: 'Inspection network',
  tenant: 'Networks of its tenant',
}
