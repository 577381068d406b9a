/** Nodes as network namespaces, wired to a switch in another one. All of it goes away with `close`. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Where a network card is. */
export type Place = [namespace: string, card: string]

export type Network = {
  /** The namespace for the switch. */
  inside: string
  /** The card of each node, in the order of the names that were asked for. */
  cards: Place[]
  /** `ip` within the switch's namespace. */
  ip: (...words: string[]) => Promise<string>
  close: () => Promise<void>
}

let made = 0

/** A pair of cards for each node: `nic0` at the node, and the name given at the switch. `links`: pairs within the switch. */
export async function makeNetwork(
  names: readonly string[],
  links: readonly [string, string][] = [],
): Promise<Network> {
  const prefix = `lh${process.pid}-${++made}`
  const inside = `${prefix}-switch`
  const cards = names.map((name): Place => [`${prefix}-${name}`, 'nic0'])
  const namespaces = [inside, ...cards.map(([namespace]) => namespace)]
  const close = async () => {
    // All that is in a namespace goes with it.
    for (const namespace of namespaces)
      await execute('ip', ['netns', 'del', namespace]).catch(() => undefined)
  }
  try {
    await batch(namespaces.map((namespace) => `netns add ${namespace}`))
    // Else the kernel says a word of its own when a link comes up.
    for (const namespace of namespaces)
      await execute('ip', [
        'netns',
        'exec',
        namespace,
        'sh',
        '-c',
        'for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done',
      ])
    const wires = names.map(
      (name, index) => `link add ${name} netns ${inside} type veth peer name nic0 netns ${cards[index]?.[0]}`,
    )
    await batch([
      ...wires,
      ...links.map(([a, b]) => `link add ${a} netns ${inside} type veth peer name ${b} netns ${inside}`),
    ])
    await batch(
      [...names, ...links.flat()].map((name) => `link set ${name} up`),
      inside,
    )
    for (const [namespace, card] of cards) {
      await execute('ip', ['-n', namespace, 'link', 'set', card, 'up'])
      await execute('ip', ['netns', 'exec', namespace, 'ethtool', '-K', card, 'tx', 'off'])
    }
  } catch (error) {
    await close()
    throw error
  }
  const ip = async (...words: string[]) => (await execute('ip', ['-n', inside, ...words])).stdout
  return { inside, cards, ip, close }
}

async function batch(lines: readonly string[], namespace?: string): Promise<void> {
  const child = spawn('ip', [...(namespace ? ['-n', namespace] : []), '-batch', '-'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (part: Buffer) => {
    said += part.toString()
  })
  child.stdin.end(`${lines.join('\n')}\n`)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`ip -batch: ${said}`)
}
