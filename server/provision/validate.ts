/** Whether a node says enough of itself for what is to be done with it, without touching its machine. */
import type { Hardware, InterfaceType, Node } from '../hardware/index.ts'
import type { WorkflowName } from './work.ts'

/**
 * Validates the interfaces that a workflow uses.
 * @throws LeaseholdError 'invalid' naming the field and the remedy.
 */
export function validateFor(hardware: Hardware, node: Node, workflow: WorkflowName): void {
  for (const type of interfacesOf[workflow]) hardware.implementation(node, type).validate(node)
}

/** `verify` is where a node is asked for the first time; a tear-down must go on whatever is wrong. */
const interfacesOf: Record<WorkflowName, readonly InterfaceType[]> = {
  verify: [],
  clean: ['power', 'network'],
  inspect: ['power', 'inspect'],
  adopt: ['power', 'boot', 'deploy'],
  deploy: ['power', 'network', 'boot', 'deploy'],
  undeploy: [],
  rescue: ['power', 'network', 'rescue'],
  unrescue: ['power', 'network', 'rescue'],
  service: ['power', 'network'],
  power: ['power'],
  // Asked of the driver when it is ordered: `checkChange`.
  change: [],
}
