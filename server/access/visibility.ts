/** Which rows of a list a caller may see. The SQL predicate is made of it where the rows are read. */
import type { Caller } from './caller.ts'
import type { Policy } from './policy.ts'

/**
 * What a list may show. `project`: only what concerns that project. For nodes, ports, port groups and volumes that is
 * an owner or lessee of the node; for allocations the owner; for runbooks the owner, or the public ones too.
 */
export type Visibility =
  | { readonly kind: 'all' }
  | { readonly kind: 'project'; readonly projectId: string }
  | { readonly kind: 'forbidden' }

/** The resources with a rule for all rows and one for the caller's own. */
export type ListedResource = 'node' | 'port' | 'portgroup' | 'volume' | 'allocation' | 'runbook'

/**
 * Decides what a list of nodes may show: all of them, or those the caller's project owns or leases.
 *
 * @param project the project asked for (`?project=`): anybody's for who may list all, else only one's own
 */
export const visibleNodes = (policy: Policy, caller: Caller, project?: string): Visibility =>
  visibleRows(policy, caller, 'node', project)

/**
 * The same for any listed resource: its `list_all` rule, else its `list` rule within the caller's project. `project`
 * is what was asked for as `?project=` of nodes or `?owner=` of allocations.
 */
export function visibleRows(
  policy: Policy,
  caller: Caller,
  resource: ListedResource,
  project?: string,
): Visibility {
  if (policy.allows(`baremetal:${resource}:list_all`, caller)) {
    return project === undefined ? { kind: 'all' } : { kind: 'project', projectId: project }
  }
  const { projectId } = caller
  if (projectId === null || (project !== undefined && project !== projectId)) return { kind: 'forbidden' }
  return policy.allows(`baremetal:${resource}:list`, caller)
    ? { kind: 'project', projectId }
    : { kind: 'forbidden' }
}
