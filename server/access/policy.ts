/** The rules in force: the defaults with an operator's `policy.yaml` laid over them, reloaded when that changes. */
import {
  type Decision,
  loadRules,
  PolicyError,
  type RuleSet,
  type Target,
  type Verdict,
} from '@leasehold/policy'
import { messageOf } from '../errors.ts'
import { type Caller, credentialNames, credentials } from './caller.ts'
import {
  type PolicyFile,
  PolicyFileError,
  parseOverrides,
  policyFileVersion,
  readPolicyFile,
} from './policy-file.ts'
import { type RuleName, rules } from './rules.ts'

export type { Decision, Target } from '@leasehold/policy'

/** A rule one may ask for: a default, or an operator's for one clean, deploy or service step. */
export type AskableRule = RuleName | `baremetal:step:execute:${string}`

export interface Policy {
  /**
   * Whether the rule holds for this caller and target. A token of the wrong scope never satisfies a rule. With
   * authentication `none` every rule holds but those that show secrets.
   *
   * @throws PolicyError for a rule that does not exist: a mistake in the code, not in the request
   */
  allows(rule: AskableRule, caller: Caller, target?: Target): boolean
  /** As the rules judge it, with the reason: for operators and logs, not for the answer to a refused caller. */
  explain(rule: AskableRule, caller: Caller, target?: Target): Decision
  /** Whether a rule exists: step rules do only if the operator's file has them. */
  has(rule: string): boolean
  /** All rules in force, defaults first. */
  names(): readonly string[]
  /** Rises when other rules come into force: what was judged before that may be judged otherwise now. */
  readonly generation: number
  /**
   * Reads the file again if it changed. Returns whether new rules are in force. What is wrong with a changed file is
   * logged once, and the old rules stay.
   */
  reload(): Promise<boolean>
}

export interface PolicyOptions {
  /** Path of a `policy.yaml` (or JSON) that replaces single rules. It must exist. */
  readonly overridesFile?: string | undefined
  /** Lets role `service` in the service project count as a member and reader of the whole system. */
  readonly serviceRoleElevated?: boolean | undefined
  /** Name of the service project; `service` if left out. */
  readonly serviceProjectName?: string | undefined
  readonly log?: PolicyLog | undefined
}

/** Where `reload` tells what it did; a pino logger is one. */
export interface PolicyLog {
  info(message: string): void
  error(message: string): void
}

/** What a target may hold. A rule that names another key is refused. */
const targetKeys = [
  'node.owner',
  'node.lessee',
  'allocation.owner',
  'runbook.owner',
  'console.tenant',
  'console.shared_owner',
  'network.project',
  'config.service_project_name',
] as const

/**
 * Loads the default rules and the operator's file over them.
 *
 * @throws PolicyFileError if the file cannot be read or a rule in it cannot work
 */
export async function loadPolicy(options: PolicyOptions = {}): Promise<Policy> {
  const { overridesFile, log } = options
  const file = overridesFile === undefined ? undefined : await readPolicyFile(overridesFile)
  let version = file?.version
  let lastProblem: string | undefined
  let reloading: Promise<boolean> | undefined
  let current = ruleSetOf(file, options)
  let generation = 0
  let judges = new WeakMap<Caller, Judge>()

  const judgeOf = (caller: Caller): Judge => {
    const known = judges.get(caller)
    if (known !== undefined) return known
    const judge = current.judge(credentials(caller))
    judges.set(caller, judge)
    return judge
  }

  async function reloadIfChanged(path: string): Promise<boolean> {
    try {
      if ((await policyFileVersion(path)) === version) return false
      const changed = await readPolicyFile(path)
      version = changed.version
      current = ruleSetOf(changed, options)
      generation += 1
      judges = new WeakMap()
      lastProblem = undefined
      log?.info(`policy: the rules of ${path} are in force`)
      return true
    } catch (error) {
      const problem = messageOf(error)
      if (problem !== lastProblem) log?.error(`policy: the rules stay as they were: ${problem}`)
      lastProblem = problem
      return false
    }
  }

  return {
    allows(rule, caller, target = noTarget) {
      if (caller.authMethod === 'none' && !rulesForSecrets.has(rule)) return true
      return judgeOf(caller)(rule, target) === 'allowed'
    },
    explain: (rule, caller, target = noTarget) => current.explain(rule, credentials(caller), target),
    has: (rule) => current.has(rule),
    names: () => current.names,
    get generation() {
      return generation
    },
    reload() {
      if (overridesFile === undefined) return Promise.resolve(false)
      reloading ??= reloadIfChanged(overridesFile).finally(() => {
        reloading = undefined
      })
      return reloading
    },
  }
}

/** Calls `reload` every `intervalMs` milliseconds until the function it returns is called. Keeps no process alive. */
export function watchPolicy(policy: Policy, intervalMs: number): () => void {
  const timer = setInterval(() => void policy.reload(), intervalMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** The target of a rule about a node. As in Ironic the owner is null when there is none, the lessee left out. */
export const nodeTarget = (node: {
  readonly owner: string | null
  readonly lessee?: string | null
}): Target =>
  node.lessee ? { 'node.owner': node.owner, 'node.lessee': node.lessee } : { 'node.owner': node.owner }

/** The target of a rule about a console: whose node it is, and whose bytes. */
export const consoleTarget = (console: {
  readonly owner: string | null
  readonly lessee: string | null
  readonly shared_with_owner?: boolean
}): Target => ({
  ...nodeTarget(console),
  'console.tenant': console.lessee ?? console.owner,
  ...(console.shared_with_owner && console.owner ? { 'console.shared_owner': console.owner } : {}),
})

/** The target of a rule about an allocation. */
export const allocationTarget = (allocation: { readonly owner: string | null }): Target => ({
  'allocation.owner': allocation.owner,
})

/** The target of a rule about a runbook. */
export const runbookTarget = (runbook: { readonly owner: string | null }): Target => ({
  'runbook.owner': runbook.owner,
})

/** The target of a rule about a network, or a subnet or port: the project that has it. */
export const networkTarget = (row: { readonly project_id: string | null }): Target => ({
  'network.project': row.project_id,
})

type Judge = (rule: string, target: Target) => Verdict

/** Never given away by switching authentication off. */
const rulesForSecrets: ReadonlySet<string> = new Set(['show_password', 'show_instance_secrets'])

const noTarget: Target = {}

function ruleSetOf(file: PolicyFile | undefined, options: PolicyOptions): RuleSet {
  try {
    return loadRules([...rules, ...(file === undefined ? [] : parseOverrides(file))], {
      attributes: { credentials: credentialNames, target: targetKeys },
      constants: options.serviceRoleElevated
        ? { 'config.service_project_name': options.serviceProjectName ?? 'service' }
        : {},
    })
  } catch (error) {
    if (file === undefined || !(error instanceof PolicyError)) throw error
    throw new PolicyFileError(file.path, error.message, error)
  }
}
