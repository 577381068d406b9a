/** Steps as patches of NVUE's tree. Nothing is in force before all of them are, so their order is of no matter. */
import { isDeepStrictEqual } from 'node:util'
import type { Settled, Step, Target, VlanId } from '../types.ts'
import { lagName, type Trees } from './parse.ts'

/** JSON that is laid over the tree below the path; null takes away. */
export type Patch = { path: string; body: unknown; port?: string }

export function render(steps: readonly Step[], domain: string): Patch[] {
  const used = steps.flatMap((step) => (step.kind === 'membership' ? vlansOf(step.to) : []))
  const vlans = Object.fromEntries(used.map((id) => [String(id), {}]))
  return [
    ...(used.length === 0 ? [] : [{ path: '/bridge/domain', body: { [domain]: { vlan: vlans } } }]),
    ...steps.flatMap((step) => patchesOf(step, domain)),
  ]
}

function patchesOf(step: Step, domain: string): Patch[] {
  switch (step.kind) {
    case 'down':
      return [
        patch(step.port, { link: { state: null } }),
        patch(step.port, { link: { state: { down: {} } } }),
      ]
    case 'up':
      return [patch(step.port, { link: { state: null } }), patch(step.port, { link: { state: { up: {} } } })]
    case 'make-lag':
      return [patch(step.port, { type: 'bond', bond: { mode: 'lacp' } })]
    case 'remove-lag':
      return [patch(step.port, null)]
    case 'leave-lag':
      return [bondMember(step.group, step.port, null)]
    case 'join-lag':
      // A member is in no bridge by itself.
      return [patch(step.port, { bridge: null }), bondMember(step.lag.group, step.port, {})]
    case 'membership': {
      // Taken away as a whole first: a patch only adds to lists.
      const away = patch(step.port, { bridge: { domain: { [domain]: null } } })
      return [away, patch(step.port, { bridge: { domain: { [domain]: bridgePort(step.to) } } })]
    }
    case 'settings': {
      const { stpEdge, mtu, description } = step.set
      // With its VLANs again: a port that is in the bridge and says nothing of VLANs carries all, if only they got lost.
      const vlans = step.to === null ? {} : (bridgePort(step.to) as object)
      const stp = { 'admin-edge': stpEdge ? 'on' : 'off' }
      const edge = { bridge: { domain: { [domain]: { ...vlans, stp } } } }
      return [
        ...(stpEdge === undefined ? [] : [patch(step.port, edge)]),
        ...(mtu === undefined ? [] : [patch(step.port, { link: { mtu } })]),
        ...(description === undefined ? [] : [patch(step.port, { description: description || null })]),
      ]
    }
    default:
      return []
  }
}

function patch(port: string, body: unknown): Patch {
  return { path: '/interface', body: { [port]: body }, port }
}
function bondMember(group: number, port: string, body: unknown): Patch {
  return { path: '/interface', body: { [lagName(group)]: { bond: { member: { [port]: body } } } }, port }
}

function bridgePort(to: Settled): unknown {
  if (to.mode === 'access') return { access: to.vlan }
  const vlan = Object.fromEntries(vlansOf(to).map((id) => [String(id), {}]))
  return { untagged: to.native ?? 'none', vlan }
}

function vlansOf(to: Settled): VlanId[] {
  if (to.mode === 'access') return [to.vlan]
  return to.native === null ? [...to.tagged] : [to.native, ...to.tagged]
}

/** Each interface that was touched, as it was; and out of the bridge the VLANs that came with the change. */
export function restore(before: Trees, now: Trees, touched: Target, domain: string): Patch[] {
  const lags = [...touched.ports.values()].map(({ lag }) => (lag ? lagName(lag.group) : undefined))
  const left = [...touched.ports.keys()].flatMap((port) =>
    Object.keys(before.interfaces).filter((bond) => port in (before.interfaces[bond]?.bond?.member ?? {})),
  )
  const removed = [...touched.removeLags].map(lagName)
  const all = [...touched.ports.keys(), ...lags.filter((name) => name !== undefined), ...left, ...removed]
  const names = [...new Set(all)].filter(
    (name) => !isDeepStrictEqual(before.interfaces[name], now.interfaces[name]),
  )
  const used = new Set(
    [...touched.ports.values()].flatMap(({ membership }) => (membership ? vlansOf(membership) : [])),
  )
  const added = now.bridgeVlans.filter((id) => !before.bridgeVlans.includes(id) && used.has(Number(id)))
  return [
    ...names.map((name) => patch(name, null)),
    ...names.flatMap((name) => (name in before.interfaces ? [patch(name, before.interfaces[name])] : [])),
    ...(added.length === 0
      ? []
      : [
          {
            path: '/bridge/domain',
            body: { [domain]: { vlan: Object.fromEntries(added.map((id) => [id, null])) } },
          },
        ]),
  ]
}
