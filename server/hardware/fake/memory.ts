/**
 * What a fake machine remembers: kept with its node, in `driver_internal_info.fake`, so that it survives any restart
 * and any conductor can drive it.
 */
import type { IndicatorState, MachineChanges, MediaType, Node } from '../types.ts'

export interface Memory {
  /** BIOS settings that are not as they came from the factory. */
  bios?: Record<string, string>
  /** Firmware that was flashed: its version. */
  firmware?: Record<string, string>
  indicators?: Record<string, IndicatorState>
  media?: Partial<Record<MediaType, string>>
  /** Ids of the VIFs that are attached, in the order they came. */
  vifs?: string[]
  /** How often it was interrupted. */
  nmis?: number
  /** What vendor method `note` was last told. */
  note?: string
}

export const memoryOf = (node: Pick<Node, 'driver_internal_info'>): Memory =>
  (node.driver_internal_info.fake ?? {}) as Memory

/** The changes that make the machine remember more. */
export const remembering = (
  node: Node,
  more: Memory,
): { memory: Record<string, unknown> } & MachineChanges => ({
  memory: { fake: { ...memoryOf(node), ...more } },
})
