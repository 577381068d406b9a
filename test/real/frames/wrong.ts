/** Drivers with faults of the kind that others have, to show that frames tell. */
import { drivers } from '@leasehold/switches'
import type { Driver, Request } from '@leasehold/switches/dialect'

/** A driver of ours whose lines are changed on their way out. */
export function spoiled(name: string, spoil: (requests: readonly Request[]) => readonly Request[]): Driver {
  const sound = drivers[name] as Driver
  return {
    ...sound,
    dialectFor: (target) => {
      const dialect = sound.dialectFor(target)
      return { ...dialect, render: (steps, context) => spoil(dialect.render(steps, context)) }
    },
  }
}

/** Adds to the list of a trunk instead of setting it: on a port without a list that changes nothing, and all pass. */
export function addsToLists(requests: readonly Request[]): readonly Request[] {
  return requests.flatMap((request) => {
    const list = /^switchport trunk allowed vlan (\d.*)$/.exec(request.line)
    if (list) return [{ ...request, line: `switchport trunk allowed vlan add ${list[1]}` }]
    return request.line === 'switchport trunk allowed vlan none' ? [] : [request]
  })
}

/** Makes a port a trunk before it says of which VLANs: right in the end, and wrong for some lines. */
export function trunkFirst(requests: readonly Request[]): readonly Request[] {
  const mode = requests.find(({ line }) => line === 'switchport mode trunk')
  if (mode === undefined) return requests
  const rest = requests.filter((request) => request !== mode)
  const at = rest.findIndex(({ line }) => line.startsWith('switchport trunk allowed vlan'))
  return [...rest.slice(0, at), mode, ...rest.slice(at).filter(({ line }) => !line.endsWith(' none'))]
}
