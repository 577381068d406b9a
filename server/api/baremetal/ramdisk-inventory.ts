/** What an inspection hands in, and what of it becomes the node's. */
import { Type } from 'typebox'
import type { Outcome } from '../../provision/index.ts'
import { nullable } from './fields.ts'

const address = nullable(Type.String({ maxLength: 255 }))

/** Schema of the body; what is not named here is data of the ramdisk's collectors. */
export const inspectionBody = Type.Object(
  {
    inventory: Type.Object(
      {
        interfaces: Type.Array(
          Type.Object({ mac_address: Type.Optional(address) }, { additionalProperties: true }),
          {
            minItems: 1,
            maxItems: 1000,
          },
        ),
        bmc_address: Type.Optional(address),
        bmc_v6address: Type.Optional(address),
      },
      { additionalProperties: true },
    ),
  },
  { additionalProperties: true },
)

export interface Inspection extends Record<string, unknown> {
  inventory: Record<string, unknown> & {
    interfaces: { mac_address?: string | null }[]
    bmc_address?: string | null
    bmc_v6address?: string | null
  }
}

/** What the inspection has come to: what it found, or the error that the ramdisk met with. */
export function outcomeOf(found: Inspection): Outcome {
  if (found.error) return { error: `The ramdisk reported an error: ${textOf(found.error).slice(0, 4096)}` }
  const { inventory, ...pluginData } = found
  const cpu = objectOf(inventory.cpu)
  const memory = objectOf(inventory.memory)
  return {
    inventory,
    pluginData,
    properties: {
      ...(typeof cpu.architecture === 'string' ? { cpu_arch: cpu.architecture.slice(0, 255) } : {}),
      ...(isCount(cpu.count) ? { cpus: cpu.count } : {}),
      ...(isCount(memory.physical_mb) ? { memory_mb: memory.physical_mb } : {}),
    },
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
const objectOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0
