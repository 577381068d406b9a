/** What a simulated Nexus answers in exec mode: show, checkpoint, rollback, copy. */
import { formatVlans } from '../../vlans.ts'
import type { Counts, Faults } from '../device.ts'
import { type Config, type Interface, interfaceLines, runningConfig, seenBy } from './model.ts'

export type Box = {
  config: Config
  startup: Config
  checkpoints: Map<string, Config>
  faults: Faults
  counts: Counts
}

export const invalidCommand = "                     ^\n% Invalid command at '^' marker."

/** What does not depend on the configuration. */
const fixedAnswers: Readonly<Record<string, string>> = {
  'show hostname': 'nexus-1',
  'show version': [
    'Cisco Nexus Operating System (NX-OS) Software',
    'Software',
    '  NXOS: version 9.3(5)',
    '  NXOS image file is: bootflash:///nxos.9.3.5.bin',
    'Hardware',
    '  cisco Nexus9000 C9372TX Chassis',
    '  Device name: nexus-1',
  ].join('\n'),
  'show inventory': [
    'NAME: "Chassis",  DESCR: "Nexus9000 C9372TX Chassis"',
    'PID: N9K-C9372TX         ,  VID: V01 ,  SN: SIMULATED',
  ].join('\n'),
}

/** `json` true gives the structured answer; undefined if there is no such command. */
export function exec(box: Box, line: string): { text: string } | { body: unknown } | undefined {
  let match: RegExpExecArray | null
  if (/^terminal /.test(line)) return { text: '' }
  match = /^show running-config(?: (interface|vlan)(?: (\S+))?)?$/.exec(line)
  if (match) return { text: shown(box, match[1] as 'interface' | undefined, match[2]) }
  match = /^show running-config \| include "([^"]+)"$/.exec(line)
  if (match) {
    const wanted = match[1] as string
    const found = runningConfig(box.config).split('\n')
    return { text: found.filter((one) => one.includes(wanted)).join('\n') }
  }
  const fixed = fixedAnswers[line]
  if (fixed !== undefined) return { text: fixed }
  if (line === 'show startup-config') return { text: runningConfig(box.startup) }
  if (line === 'show vlan brief') return { body: vlanBrief(box.config) }
  match = /^show interface(?: ([A-Za-z-]+\d\S*))?( switchport)?$/.exec(line)
  if (match) return shownInterfaces(box.config, match[1], match[2] ? switchportRow : statusRow)
  match = /^(no )?checkpoint (\S+)$/.exec(line)
  if (match) return { text: checkpoint(box, match[1] !== undefined, match[2] as string) }
  match = /^rollback running-config checkpoint (\S+) atomic$/.exec(line)
  if (match) {
    const old = box.checkpoints.get(match[1] as string)
    if (!old) return { text: `ERROR: ascii-cfg: Checkpoint ${match[1]} does not exist` }
    box.config = structuredClone(old)
    return {
      text: 'Collecting Running-Config\nGenerating Rollback Patch\n\nRollback completed successfully.\n',
    }
  }
  if (line === 'copy running-config startup-config') return { text: save(box) }
  return undefined
}

function shown(box: Box, part: 'interface' | 'vlan' | undefined, name: string | undefined): string {
  const heading = `\n!Command: show running-config${part ? ` ${part}` : ''}\n!Time: Mon Jan  5 10:00:00 2026\n`
  if (name === undefined) return heading + runningConfig(box.config, part)
  const one = box.config.interfaces.find((candidate) => candidate.name === name)
  return one
    ? heading + interfaceLines(one, box.config.defaults).join('\n')
    : "Invalid interface format at '^' marker."
}

function checkpoint(box: Box, drop: boolean, name: string): string {
  if (drop)
    return box.checkpoints.delete(name) ? 'Done' : `ERROR: ascii-cfg: Checkpoint ${name} does not exist`
  if (box.checkpoints.has(name)) return `ERROR: ascii-cfg: Checkpoint ${name} already exists`
  if (box.checkpoints.size >= 10) return 'ERROR: ascii-cfg: Maximum number of checkpoints reached'
  box.checkpoints.set(name, structuredClone(box.config))
  return '...Done'
}

function save(box: Box): string {
  if (box.faults.failSave)
    return '[#                                       ]   1%\nConfiguration update aborted: Permission denied'
  box.startup = structuredClone(box.config)
  box.counts.saves++
  return '[########################################] 100%\nCopy complete.'
}

/** One row is an object, several are an array, as NX-OS has it. */
function table(name: string, row: string, cells: unknown[]): unknown {
  return cells.length === 0 ? {} : { [name]: { [row]: cells.length === 1 ? cells[0] : cells } }
}

function vlanBrief(config: Config): unknown {
  const cells = [...config.vlans]
    .sort((a, b) => a.id - b.id)
    .map((vlan) => ({
      // The byte order that some releases get wrong.
      'vlanshowbr-vlanid': ((vlan.id & 0xff) << 24) | ((vlan.id >> 8) << 16),
      'vlanshowbr-vlanid-utf': String(vlan.id),
      'vlanshowbr-vlanname': vlan.name,
      'vlanshowbr-vlanstate': vlan.suspended ? 'suspend' : 'active',
      'vlanshowbr-shutstate': vlan.shutdown ? 'shutdown' : 'noshutdown',
    }))
  return table('TABLE_vlanbriefxbrief', 'ROW_vlanbriefxbrief', cells)
}

/** The rows of all interfaces, or of the one that was named. */
function shownInterfaces(
  config: Config,
  name: string | undefined,
  row: (config: Config, one: Interface) => unknown,
): { text: string } | { body: unknown } {
  const chosen = config.interfaces.filter((one) => name === undefined || one.name === name)
  if (name !== undefined && chosen.length === 0) return { text: "Invalid interface format at '^' marker." }
  return {
    body: table(
      'TABLE_interface',
      'ROW_interface',
      chosen.map((one) => row(config, one)),
    ),
  }
}

function switchportRow(config: Config, one: Interface): unknown {
  const seen = seenBy(config, one.name)
  return {
    interface: one.name,
    switchport: one.switched ? 'Enabled' : 'Disabled',
    oper_mode: one.shutdown ? 'down' : one.mode,
    access_vlan: one.access,
    native_vlan: String(one.native),
    trunk_vlans: seen.tagged === 'all' ? '1-4094' : formatVlans(seen.tagged) || 'none',
  }
}

function statusRow(_config: Config, one: Interface): unknown {
  const state = one.shutdown ? 'down' : 'up'
  return { interface: one.name, state, admin_state: state, desc: one.description, eth_mtu: String(one.mtu) }
}
