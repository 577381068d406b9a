/** The way back after a commit: what was read before, put back element by element, whatever it said. */
import type { NetconfRequest } from '../transports/netconf-messages.ts'
import { element, textAt, type XmlElement } from '../transports/xml.ts'
import type { SwitchState, Target } from '../types.ts'
import { type LagNames, namespaces } from './names.ts'
import type { OpenconfigState } from './parse.ts'
import { networkInstances, request } from './render.ts'

export function restore(
  before: SwitchState,
  now: SwitchState,
  touched: Target,
  { networkInstance, lags }: { networkInstance: string; lags: LagNames },
): NetconfRequest[] {
  const [was, is] = [before as OpenconfigState, now as OpenconfigState]
  const names = new Set([...touched.ports.keys(), ...[...touched.removeLags].map(lags.of)])
  // LAGs that come back do so before their members, and those that go, after them.
  const rank = (name: string) => (lags.group(name) === null ? 1 : was.interfaces.has(name) ? 0 : 2)
  const ports = [...names].sort((a, b) => rank(a) - rank(b))
  const ids = [...touched.vlans, ...touched.removeVlans].map(({ id }) => id)
  const vlans = (from: readonly number[]) => {
    const edits = from.flatMap((id) => backTo(was.vlanElements.get(id), is.vlanElements.get(id), 'vlan-id'))
    return edits.length === 0 ? [] : request([networkInstances(networkInstance, edits)])
  }
  return [
    ...vlans(ids.filter((id) => was.vlanElements.has(id))),
    ...ports.flatMap((name) =>
      request(
        [
          ...list(namespaces.lacp, 'lacp', backTo(was.lacp.get(name), is.lacp.get(name))),
          ...list(namespaces.spanningTree, 'stp', backTo(was.tree.get(name), is.tree.get(name))),
          ...list(namespaces.interfaces, null, backTo(was.interfaces.get(name), is.interfaces.get(name))),
        ],
        name,
      ),
    ),
    ...vlans(ids.filter((id) => !was.vlanElements.has(id))),
  ]
}

/** One entry of a list as it was: replaced, or deleted if it was not there. */
function backTo(was: XmlElement | undefined, is: XmlElement | undefined, key = 'name'): XmlElement[] {
  if (was !== undefined) return [{ ...was, attributes: { 'nc:operation': 'replace' } }]
  if (is === undefined) return []
  const { name, namespace } = is
  const keyed = element(namespace, key, textAt(is, key) ?? '')
  return [element(namespace, name, [keyed], { 'nc:operation': 'delete' })]
}

function list(namespace: string, parent: string | null, entries: readonly XmlElement[]): XmlElement[] {
  if (entries.length === 0) return []
  const interfaces = element(namespace, 'interfaces', entries)
  return [parent === null ? interfaces : element(namespace, parent, [interfaces])]
}
