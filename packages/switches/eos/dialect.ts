/** Arista EOS: a configuration session that is committed on trial, looked at, and only then confirmed. */
import { forbiddenDescription, forbiddenTrunk } from '../cli/config.ts'
import { restoreByLines } from '../cli/restore.ts'
import { orderedSteps } from '../steps.ts'
import type { CliReply, CliRequest } from '../transports/cli.ts'
import type { Dialect, Verdict } from '../types.ts'
import { lagName, normalisePort, parseState } from './parse.ts'
import { render, vlanLines } from './render.ts'

export function eos(): Dialect<CliRequest, CliReply> {
  /** Trials of ours are to be looked at. Everybody else's may be gone in a minute, and what was read with them. */
  const ours = new Set<string>()
  return {
    name: 'arista-eos',
    capabilities: {
      vlans: 'explicit',
      lag: true,
      multiChassis: true,
      stpEdge: true,
      // A switched port passes the largest frames that there are, whatever `mtu` says: that is for routed ones.
      mtu: false,
      description: true,
      transaction: true,
      save: true,
    },
    normalisePort,
    lagName,
    readRequests: () => [
      { mode: 'exec', line: sessions, json: true },
      { mode: 'exec', line: 'show running-config' },
      { mode: 'exec', line: 'show vlan', json: true },
      { mode: 'exec', line: 'show interfaces switchport', json: true },
    ],
    parseState: (replies) => parseState(replies.slice(1)),
    diff: (state, target) => orderedSteps(state, target, lagName),
    render: (steps, { id }) => {
      const lines = render(steps)
      return lines.length === 0 ? [] : [configure(enter(id)), ...lines]
    },
    classify: (reply) => trialOfOthers(reply, ours) ?? classify(reply),
    forbidden: (_port, intent) => forbiddenDescription(intent) ?? forbiddenTrunk(intent),
    forbiddenVlan: ({ id, name }) => {
      if (id === 1 && name !== undefined && name !== 'default') return 'VLAN 1 is not renamed'
      return name !== undefined && /^VLAN\d{4}$/.test(name) && name !== `VLAN${String(id).padStart(4, '0')}`
        ? `${name} is the name that EOS gives to another VLAN`
        : null
    },
    transaction: {
      begin: (id) => [configure(enter(id))],
      // Undone by the switch itself unless confirmed in time, whatever happens to us.
      arm: (id) => {
        ours.add(sessionName(id))
        return [configure(enter(id)), configure('commit timer 00:02:00')]
      },
      commit: (id) => [configure(`${enter(id)} commit`)],
      rollback: (id) => [configure(`${enter(id)} abort`)],
    },
    restore: (before, now, touched, id) => {
      const words = { vlanHeading: (vlan: number) => `vlan ${vlan}`, vlanLines, lagName }
      const lines = restoreByLines(before, now, touched, words)
      return lines.length === 0 ? [] : [configure(enter(id)), ...lines]
    },
    saveRequests: () => [{ mode: 'exec', line: save }],
  }
}

const sessions = 'show configuration sessions detail'

/** Of a process that died before it confirmed, above all: to find its change in force is no success. */
function trialOfOthers({ line, text, failed }: CliReply, ours: ReadonlySet<string>): Verdict | undefined {
  if (line !== sessions || failed) return undefined
  const body = JSON.parse(text) as { sessions?: Record<string, { state?: string }> }
  const trial = Object.entries(body.sessions ?? {}).find(
    ([name, { state }]) => /pendingCommitTimer/i.test(state ?? '') && !ours.has(name),
  )
  return (
    trial && { is: 'retry', reply: `the configuration session ${trial[0]} is on trial and may yet be undone` }
  )
}

const save = 'write memory'

function enter(id: string): string {
  return `configure session ${sessionName(id)}`
}
function sessionName(id: string): string {
  return `leasehold-${id}`
}
function configure(line: string): CliRequest {
  return { mode: 'configure', line }
}

function classify({ line, text, failed, mode }: CliReply): Verdict {
  const reply = text.split('\n').at(-1)?.trim() ?? ''
  // Nothing to abort: the trial is over, or the session never came to be. What is now is looked at in any case.
  if (
    /^configure session \S+ abort$/.test(line) &&
    /does not exist|not found|no such|not pending/i.test(text)
  )
    return { is: 'ok' }
  if (failed) {
    if (/locked by|commit timer|pending commit|another session|in progress/i.test(text))
      return { is: 'retry', reply }
    if (/not authorized|permission denied/i.test(text)) return { is: 'error', code: 'auth', reply }
    if (/^interface Ethernet/.test(line)) return { is: 'error', code: 'unknown-port', reply }
    return { is: 'error', reply }
  }
  const bad =
    mode === 'configure' ? text.split('\n').find((one) => /^% |\b(failed|rejected)\b/i.test(one)) : undefined
  if (bad !== undefined) return { is: 'error', reply: bad.trim() }
  if (line === save && text !== '' && !/success/i.test(text)) return { is: 'error', reply }
  return { is: 'ok' }
}
