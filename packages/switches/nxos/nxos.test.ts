import { conform } from '../testing/conformance.ts'
import { startNexus } from '../testing/nxos/simulator.ts'

conform('cisco-nxos over SSH', { start: () => startNexus() })
conform('cisco-nxos over NX-API', {
  start: async () => {
    const nexus = await startNexus()
    return { ...nexus, target: nexus.nxapi }
  },
})
