/**
 * Ironic's policy as Ironic has it, judged by an evaluator that shares nothing with ours: what tests hold the service
 * against.
 */
import { readFileSync } from 'node:fs'

/** What a token says of its holder, by the names that rules use. */
export interface Credentials {
  roles: readonly string[]
  project_id: string | null
  project_name: string | null
  system_scope: 'all' | null
}

/** What a rule is asked about: `node.owner`, ...; null is nobody. */
export type Target = Readonly<Record<string, string | null>>

interface Definition {
  check_str: string
  scope_types: readonly string[] | null
}

const ironic: Record<string, Definition> = JSON.parse(
  readFileSync(new URL('../../access/fixtures/ironic-policy.json', import.meta.url), 'utf8'),
)
/** Rules that are Leasehold's own. */
const ours: Record<string, Definition> = {
  'leasehold:audit:list': { check_str: 'role:reader or role:service', scope_types: ['system', 'project'] },
  'leasehold:audit:list_all': {
    check_str:
      '(role:reader and system_scope:all) or (role:service and system_scope:all) or rule:service_role',
    scope_types: ['system', 'project'],
  },
}
const systemAdmin = '(role:admin and system_scope:all)'
const scopes = ['system', 'project'] as const
const tenant = (role: string) => `${systemAdmin} or (role:${role} and project_id:%(console.tenant)s)`
const withOwner = `${tenant('member')} or (role:member and project_id:%(console.shared_owner)s)`
const ironicsConsole = ironic['baremetal:node:get_console']?.check_str
Object.assign(ours, {
  'leasehold:console:list': { check_str: 'role:reader or role:service', scope_types: scopes },
  'leasehold:console:list_all': { check_str: systemAdmin, scope_types: scopes },
  'leasehold:console:get': { check_str: `${ironicsConsole} or ${withOwner}`, scope_types: scopes },
  'leasehold:console:enable': { check_str: `${ironicsConsole} or ${tenant('member')}`, scope_types: scopes },
  'leasehold:console:read': { check_str: withOwner, scope_types: scopes },
  'leasehold:console:write': { check_str: tenant('member'), scope_types: scopes },
  'leasehold:console:take': { check_str: tenant('member'), scope_types: scopes },
  'leasehold:console:force': { check_str: tenant('manager'), scope_types: scopes },
  'leasehold:console:keys': { check_str: 'role:member', scope_types: scopes },
  'leasehold:console:share': { check_str: tenant('manager'), scope_types: scopes },
})
const systemReader = ironic['baremetal:chassis:get']?.check_str ?? ''
for (const kind of ['switch', 'vlan_pool']) {
  ours[`leasehold:${kind}:get`] = { check_str: systemReader, scope_types: ['system'] }
  for (const action of ['create', 'update', 'delete'])
    ours[`leasehold:${kind}:${action}`] = { check_str: systemAdmin, scope_types: ['system'] }
}
const reader = 'role:reader or role:service'
const systemMember = '(role:member and system_scope:all) or rule:service_role'
const creator = `${systemMember} or role:member`
const networkMember = `${systemMember} or (role:member and project_id:%(network.project)s)`
const network: Record<string, string> = {
  'network:list': reader,
  'network:list_all': systemReader,
  'network:get_provider': systemReader,
  'network:create': creator,
  'network:create_restricted': systemMember,
  'network:update': networkMember,
  'network:share': networkMember,
  'network:delete': networkMember,
  'network_port:list': reader,
  'network_port:list_all': systemReader,
  'network_port:get_binding': systemReader,
  'network_port:create': creator,
  'network_port:create_restricted': systemMember,
  'network_port:update': networkMember,
  'network_port:delete': networkMember,
}
for (const [name, check_str] of Object.entries(network))
  ours[`leasehold:${name}`] = { check_str, scope_types: scopes }
/** Rules of the networking API, which is beside the Bare Metal API. */
export const networkRules: readonly string[] = Object.keys(network).map((name) => `leasehold:${name}`)
const definitions: Record<string, Definition> = { ...ironic, ...ours }

/** Every rule there is. */
export const ruleNames: readonly string[] = Object.keys(definitions)

/** Whether a rule holds; never for a token of a scope that it does not take. */
export function holds(rule: string, credentials: Credentials, target: Target): boolean {
  const { check_str, scope_types } = definition(rule)
  const scope = credentials.system_scope ? 'system' : 'project'
  if (scope_types && !scope_types.includes(scope)) return false
  return check_str === '' || evaluate(check_str, credentials, target)
}

function definition(rule: string): Definition {
  const found = definitions[rule]
  if (!found) throw new Error(`there is no rule ${rule}`)
  return found
}

/** `or` of `and`s of single checks, with `not` and brackets. Both sides are read before either counts. */
function evaluate(text: string, credentials: Credentials, target: Target): boolean {
  const words = text.match(/%\([^)]*\)s|[()]|(?:%\([^)]*\)s|[^\s()])+/g) ?? []
  let at = 0
  const either = (): boolean => {
    let result = both()
    while (words[at] === 'or') {
      at++
      const next = both()
      result ||= next
    }
    return result
  }
  const both = (): boolean => {
    let result = one()
    while (words[at] === 'and') {
      at++
      const next = one()
      result &&= next
    }
    return result
  }
  const one = (): boolean => {
    const word = words[at++]
    if (word === undefined) throw new Error(`a check is missing at the end of "${text}"`)
    if (word === 'not') return !one()
    if (word !== '(') return single(word, credentials, target)
    const result = either()
    if (words[at++] !== ')') throw new Error(`a bracket is open in "${text}"`)
    return result
  }
  const result = either()
  if (at !== words.length) throw new Error(`"${words.slice(at).join(' ')}" is left of "${text}"`)
  return result
}

function single(check: string, credentials: Credentials, target: Target): boolean {
  if (check === '!') return false
  if (check === '@') return true
  const kind = check.slice(0, check.indexOf(':'))
  const wanted = check.slice(kind.length + 1)
  if (kind === 'rule') return evaluate(definition(wanted).check_str, credentials, target)
  if (kind === 'role') return credentials.roles.includes(wanted)
  const has = (credentials as unknown as Record<string, unknown>)[kind]
  const key = /^%\((.*)\)s$/.exec(wanted)?.[1]
  const value = key === undefined ? wanted : target[key]
  // Nobody is not the same as nobody else.
  return typeof has === 'string' && typeof value === 'string' && has === value
}
