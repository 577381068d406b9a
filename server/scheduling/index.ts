/** Who gets which node: allocations. */
export {
  type Allocation,
  type AllocationChanges,
  type AllocationColumn,
  type AllocationFilters,
  changeAllocation,
  findAllocation,
  insertAllocation,
  listAllocations,
  type NewAllocation,
} from './allocations.sql.ts'
export { type Allocator, createAllocator } from './allocator.ts'
export { bindAllocation, releaseAllocation } from './bindings.ts'
