/** A bridge with nodes at it: in network namespaces where we are root, on Open vSwitch's dummy datapath elsewhere. */
import { join } from 'node:path'
import { makeNetwork } from './network.ts'
import { type OpenVSwitch, startOpenVSwitch } from './openvswitch.ts'
import { startWatcher, type Watcher } from './watcher.ts'

export type Wires = {
  /** In words, for the report. */
  how: string
  ovs: OpenVSwitch
  watcher: Watcher
  /** What ovs-vsctl has to be told of a port that it adds again. */
  cardWords: (port: string) => readonly string[]
  close: () => Promise<void>
}

export type WiresOptions = { nodes: number; vlans: number[]; seed: number; pace: number; dummy?: boolean }

/** Bridge `br0` with a port `n0`, `n1`, ... for each node. */
export async function startWires({
  nodes,
  dummy = process.getuid?.() !== 0,
  ...plan
}: WiresOptions): Promise<Wires> {
  const names = Array.from({ length: nodes }, (_, node) => `n${node}`)
  const all = [...names, 'beat0', 'beat1']
  const network = dummy ? undefined : await makeNetwork(all)
  let ovs: OpenVSwitch | undefined
  const close = async () => {
    await ovs?.close()
    await network?.close()
  }
  try {
    ovs = await startOpenVSwitch(network ? { namespace: network.inside } : { dummy: true })
    const { directory } = ovs
    const places =
      network?.cards ?? all.map((name): [string, string] => [join(directory, `${name}.pcap`), name])
    const cardWords = (name: string) =>
      dummy
        ? ['--', 'set', 'interface', name, 'type=dummy', `options:tx_pcap=${join(directory, `${name}.pcap`)}`]
        : []
    const alone = (name: string, vlan: number) => [
      '--',
      'add-port',
      'br0',
      name,
      'vlan_mode=access',
      `tag=${vlan}`,
      ...cardWords(name),
    ]
    await ovs.vsctl(
      'add-br',
      'br0',
      '--',
      'set',
      'bridge',
      'br0',
      `datapath_type=${dummy ? 'dummy' : 'netdev'}`,
    )
    await ovs.vsctl(
      ...names.flatMap((name, node) => alone(name, 4_000 + node)),
      ...alone('beat0', 4_089),
      ...alone('beat1', 4_089),
    )
    const { database, control } = ovs
    const watcher = startWatcher({
      ...plan,
      dummy,
      nodes: places.slice(0, nodes),
      beats: places.slice(nodes),
      database,
      control,
    })
    return {
      how: dummy
        ? 'the dummy datapath of Open vSwitch'
        : 'network namespaces and the userspace datapath of Open vSwitch',
      ovs,
      watcher,
      cardWords,
      close: async () => {
        await watcher.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}
