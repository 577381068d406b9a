/** Cisco NX-OS: the language of Nexus switches, the same over SSH and over NX-API. */
import { forbiddenDescription, forbiddenTrunk } from '../cli/config.ts'
import { orderedSteps } from '../steps.ts'
import type { CliReply, CliRequest } from '../transports/cli.ts'
import type { Dialect, PortIntent, Verdict } from '../types.ts'
import { lagName, normalisePort } from './names.ts'
import { parseState } from './parse.ts'
import { render } from './render.ts'

export const nxos: Dialect<CliRequest, CliReply> = {
  name: 'cisco-nxos',
  capabilities: {
    vlans: 'explicit',
    lag: true,
    multiChassis: true,
    stpEdge: true,
    mtu: true,
    description: true,
    transaction: true,
    save: true,
  },
  normalisePort,
  lagName,
  readRequests: () => [
    { mode: 'exec', line: 'show running-config | include "system default switchport"' },
    { mode: 'exec', line: 'show running-config interface' },
    { mode: 'exec', line: 'show vlan brief', json: true },
    { mode: 'exec', line: 'show interface switchport', json: true },
  ],
  parseState,
  diff: (state, target) => orderedSteps(state, target, lagName),
  render: (steps) => {
    const lacp = steps.some((step) => step.kind === 'join-lag')
    return [...(lacp ? [{ mode: 'configure' as const, line: 'feature lacp' }] : []), ...render(steps)]
  },
  classify,
  forbidden,
  forbiddenVlan: ({ id, name }) => {
    if (id >= 3968) return 'NX-OS reserves the VLANs 3968 to 4094 for itself'
    if (id === 1) return name === undefined ? null : 'VLAN 1 cannot be renamed'
    return name !== undefined && /^VLAN\d{4}$/.test(name) && name !== `VLAN${String(id).padStart(4, '0')}`
      ? `${name} is the name that NX-OS gives to another VLAN`
      : null
  },
  transaction: {
    begin: () => [exec(dropCheckpoint), exec(`checkpoint ${checkpoint}`)],
    rollback: () => [exec(`rollback running-config checkpoint ${checkpoint} atomic`)],
    end: () => [exec(dropCheckpoint)],
  },
  recoverable: true,
  saveRequests: () => [exec(save)],
}

/** One name, used again and again: a switch keeps only ten checkpoints, and a killed process leaves one behind. */
const checkpoint = 'leasehold'
const dropCheckpoint = `no checkpoint ${checkpoint}`
const save = 'copy running-config startup-config'

function exec(line: string): CliRequest {
  return { mode: 'exec', line }
}

function classify({ line, text, mode, failed }: CliReply): Verdict {
  if (line === dropCheckpoint) return { is: 'ok' }
  const said = text.split('\n').map((one) => one.trim())
  // What a show command prints is not ours: a description may say ERROR. Only its first line can be a refusal.
  const where = mode === 'exec' && line.startsWith('show ') ? said.slice(0, 1) : said
  const bad = where.find((one) => refusals.test(one))
  if (bad === undefined && !failed) {
    if (line !== save || /Copy complete/i.test(text)) return { is: 'ok' }
    return { is: 'error', reply: text || 'the switch did not say that the copy is complete' }
  }
  const reply = bad ?? text
  if (locked.test(reply)) return { is: 'retry', reply }
  if (/^interface Ethernet/.test(line)) return { is: 'error', code: 'unknown-port', reply }
  return { is: 'error', reply }
}

const refusals =
  /^% ?(?!Warning)|^\^$|^error\b|^ERROR:|^Invalid (command|range|number|interface|value)|^command failed|^Syntax error|^Cannot |^Failed|Permission denied|port not compatible|does not exist|Incomplete command|Ambiguous command/i
const locked =
  /another (configuration )?session|in progress|database (is )?locked|temporarily unavailable|try again/i

function forbidden(_port: string, intent: PortIntent): string | null {
  const used = intent.mode === 'access' ? [intent.vlan] : intent.mode === 'trunk' ? intent.tagged : []
  if (used.some((id) => id >= 3968)) return 'NX-OS reserves the VLANs 3968 to 4094 for itself'
  return forbiddenDescription(intent) ?? forbiddenTrunk(intent)
}
