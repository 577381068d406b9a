/** Whether a machine boots by UEFI or by legacy BIOS, as its node says. */
import type { Node } from '../types.ts'

export type BootMode = 'uefi' | 'bios'

/**
 * The boot mode: what the instance asks for, else what the node's capabilities say, else what was last seen, else
 * uefi, as Ironic has it. Secure boot means uefi.
 */
export function bootModeOf(node: Pick<Node, 'instance_info' | 'properties' | 'boot_mode'>): BootMode {
  const instance = readCapabilities(node.instance_info.capabilities)
  const machine = readCapabilities(node.properties.capabilities)
  if (instance.secure_boot === 'true') return 'uefi'
  const said = [instance.boot_mode, node.instance_info.deploy_boot_mode, machine.boot_mode, node.boot_mode]
  return said.find((mode): mode is BootMode => mode === 'uefi' || mode === 'bios') ?? 'uefi'
}

/** Capabilities are `a:1,b:2`, an object, or an object as JSON text; what cannot be read says nothing. */
function readCapabilities(value: unknown): Readonly<Record<string, string>> {
  if (typeof value === 'string' && value.trimStart().startsWith('{')) return readCapabilities(parse(value))
  if (typeof value === 'string') return Object.fromEntries(value.split(',').map(splitPair))
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      typeof each === 'object' ? '' : String(each).toLowerCase(),
    ]),
  )
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf(':')
  return at < 0
    ? [pair.trim(), '']
    : [
        pair.slice(0, at).trim(),
        pair
          .slice(at + 1)
          .trim()
          .toLowerCase(),
      ]
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
