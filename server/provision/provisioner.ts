/** The provisioner: takes orders in every process, and is a conductor in those that start it. */
import { begin, change, type Desk, resume, setPower } from './begin.ts'
import { type Conductor, startConductor } from './conductor.ts'
import type { Provisioner, ProvisionerDeps } from './types.ts'

/** Makes a provisioner. Without `start` it only hands orders on to conductors of other processes. */
export function createProvisioner(deps: ProvisionerDeps): Provisioner {
  let conductor: Conductor | null = null
  const desk: Desk = {
    db: deps.db,
    hardware: deps.hardware,
    config: deps.config,
    log: deps.log.child({ room: 'provision' }),
    conductor: () => conductor,
  }
  const host = deps.host ?? deps.config['conductor.host']
  return {
    async start() {
      if (!conductor) conductor = await startConductor(desk, host, deps.databaseUrl)
    },
    async stop() {
      const stopping = conductor
      conductor = null
      await stopping?.stop()
    },
    begin: (order) => begin(desk, order),
    setPower: (order) => setPower(desk, order),
    change: (order) => change(desk, order),
    resume: (nodeUuid, outcome = {}) => resume(desk, nodeUuid, outcome),
  }
}
