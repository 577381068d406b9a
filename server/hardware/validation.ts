/** Whether a node says of itself all that its interfaces need: GET /v1/nodes/N/validate. */
import { LeaseholdError } from '../errors.ts'
import { type Hardware, type InterfaceType, interfaceTypes, type Node } from './types.ts'

/** `result` is null for what the node's driver does not do; `reason` says why it is not true. */
export interface Validation {
  result: boolean | null
  reason?: string
}

/**
 * Asks every interface but vendor whether it could work with what the node says, without touching the machine.
 * An unknown driver or implementation is a result of its own: nothing is thrown for it.
 */
export function validateNode(
  hardware: Hardware,
  node: Node,
): Record<Exclude<InterfaceType, 'vendor'>, Validation> {
  return Object.fromEntries(
    interfaceTypes.filter((each) => each !== 'vendor').map((each) => [each, validate(hardware, node, each)]),
  ) as Record<Exclude<InterfaceType, 'vendor'>, Validation>
}

function validate(hardware: Hardware, node: Node, type: InterfaceType): Validation {
  let unsupported = false
  try {
    const implementation = hardware.implementation(node, type)
    unsupported = implementation.unsupported === true
    implementation.validate(node)
    return { result: true }
  } catch (error) {
    if (!(error instanceof LeaseholdError)) throw error
    return { result: unsupported ? null : false, reason: error.message }
  }
}
