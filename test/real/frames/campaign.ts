/** Random attaches, detaches and moves over all nodes, with faults, while frames fly: and the judge's word on it. */
import { type PortIntent, type Switch, SwitchError } from '@leasehold/switches'
import { compareRound } from './expected.ts'
import { type Belonging, both, crossings, type Ledger } from './ledger.ts'
import { access, anyIntent, type Chance, tenantOf, vlans } from './tenants.ts'
import { type Delivery, microseconds, type Watcher } from './watcher.ts'

/** A switch under test, and what can be done to it. */
export type Stage = {
  open: () => Switch
  /** The switch's name for a node's port. */
  port: (node: number) => string
  /** Makes the port one that was never ours; says what it belongs to now. */
  dirty: (node: number, chance: Chance) => Promise<Belonging> | Belonging
  /** Lets something go wrong, once. `end` says whether it did, and takes it away. */
  fault: (chance: Chance) => { name: string; end: () => boolean }
}

export type Scene = { watcher: Watcher; ledger: Ledger; intents: (PortIntent | null)[]; chance: Chance }

export type Report = {
  moves: number
  applied: number
  /** How often something went wrong, by its name, and what the driver said about it. */
  faults: Record<string, number>
  errors: Record<string, number>
  /** Frames that were to arrive in the rounds between changes. */
  expected: number
  received: number
  crossed: string[]
  /** Rounds between changes that were not as 802.1Q has it, and claims of the driver that did not hold. */
  wrong: string[]
}

export async function campaign(stage: Stage, scene: Scene, steps: number): Promise<Report> {
  const { watcher, ledger, intents, chance } = scene
  const nodes = [...intents.keys()]
  const report: Report = {
    moves: 0,
    applied: 0,
    faults: {},
    errors: {},
    expected: 0,
    received: 0,
    crossed: [],
    wrong: [],
  }
  const one = stage.open()
  let lastWords = ''
  try {
    for (const node of nodes) await soil(node)
    for (let step = 0; step < steps; step++) {
      if (chance.one(15)) await soil(chance.of(nodes))
      const first = chance.of(nodes)
      const chosen = chance.one(4)
        ? [first, (first + 1 + chance.below(nodes.length - 1)) % nodes.length]
        : [first]
      const fault = chance.below(10) < 4 ? stage.fault(chance) : undefined
      const moves = chosen.map((node) => ({ node, intent: anyIntent(chance) }))
      const sure = await Promise.all(moves.map(({ node, intent }) => move(node, intent)))
      if (fault?.end()) report.faults[fault.name] = (report.faults[fault.name] ?? 0) + 1
      // Whose outcome is not known, or every second that failed: once more, and now it has to go.
      for (const [index, { node, intent }] of moves.entries())
        if (!sure[index] || (intents[node] !== intent && chance.one(2)))
          if (!(await move(node, intent)) || intents[node] !== intent)
            report.wrong.push(
              `step ${step}: without a fault the port of node ${node} could not be brought to ${brief(intent)}: ${lastWords}`,
            )
      settle(
        `step ${step} (${moves.map(({ node, intent }) => `${node}: ${brief(intent)}`).join(', ')}${fault ? `, ${fault.name}` : ''})`,
      )
    }
    // Whatever chance brought, in the end frames have to pass.
    for (const node of nodes) await move(node, access(100))
    settle('at the end, with all in one network')
  } finally {
    await one.close()
    judge(watcher.take())
  }
  return report

  async function soil(node: number): Promise<void> {
    ledger.set(node, 'anything', microseconds())
    intents[node] = null
    const belonging = await stage.dirty(node, chance)
    watcher.round()
    judge(watcher.take())
    ledger.set(node, belonging, microseconds())
  }

  /** True if it is known what the port is now. */
  async function move(node: number, intent: PortIntent): Promise<boolean> {
    const before = ledger.now(node)
    const after = tenantOf(intent)
    ledger.set(node, both(before, after), microseconds())
    report.moves++
    try {
      await one.apply({ vlans, ports: { [stage.port(node)]: intent } })
      report.applied++
      intents[node] = intent
      ledger.set(node, after, microseconds())
      return true
    } catch (error) {
      if (!(error instanceof SwitchError)) throw error
      lastWords = error.message
      report.errors[error.code] = (report.errors[error.code] ?? 0) + 1
      // A port on its way out stays out, although that could not be saved.
      const out = error.code === 'save-failed' && intent.mode === 'idle'
      if (error.restored === false && !out) return false
      if (out) intents[node] = intent
      ledger.set(node, out ? after : before, microseconds())
      return true
    }
  }

  /** Looks at what passes now that nothing changes. A frame may get lost on a busy machine: the round is repeated. */
  function settle(when: string): void {
    const arrived: Delivery[] = []
    for (let tries = 0; ; tries++) {
      const { first, last, whole } = watcher.round()
      const taken = watcher.take()
      judge(taken)
      arrived.push(...taken.filter(({ number }) => number >= first && number <= last))
      const { missing, extra, expected } = compareRound(arrived, watcher.kinds, intents)
      if (extra.length > 0)
        report.wrong.push(`${when}: arrived and must not have: ${extra.slice(0, 5).join(', ')}`)
      if (extra.length === 0 && (missing.length > 0 || !whole) && tries < 5) continue
      if (missing.length > 0) report.wrong.push(`${when}: did not arrive: ${missing.slice(0, 5).join(', ')}`)
      report.expected += expected
      return
    }
  }

  function judge(deliveries: readonly Delivery[]): void {
    report.received += deliveries.length
    report.crossed.push(...crossings(deliveries, watcher.kinds, ledger))
  }
}

function brief(intent: PortIntent): string {
  if (intent.mode === 'access') return `access ${intent.vlan}`
  return intent.mode === 'idle' ? 'idle' : `trunk ${intent.native ?? 'none'} [${intent.tagged}]`
}
