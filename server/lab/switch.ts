/** One simulated switch for the lab's machines, on a loopback port of its own. */
import { randomBytes } from 'node:crypto'
import type { Nexus } from '@leasehold/switches/testing'

export type LabSwitch = Nexus & { readonly credentials: { username: string; password: string } }

/**
 * Starts a Nexus as it comes from the factory, with ports Ethernet1/1 on. Its password, certificate and TCP port are
 * new each time.
 */
export async function startLabSwitch(ports: number): Promise<LabSwitch> {
  // Here, so that a service without a lab does not load simulators.
  const { startNexus } = await import('@leasehold/switches/testing')
  const credentials = { username: 'leasehold', password: randomBytes(18).toString('base64url') }
  // Two more than are given out: the last is the uplink.
  return { ...(await startNexus({ ports: ports + 2, ...credentials })), credentials }
}
