import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Caller, callerOf, publicCaller } from './caller.ts'
import {
  allocationTarget,
  loadPolicy,
  nodeTarget,
  type Policy,
  runbookTarget,
  type Target,
  watchPolicy,
} from './policy.ts'
import { PolicyFileError } from './policy-file.ts'
import type { RuleName } from './rules.ts'
import { rules } from './rules.ts'

const systemCaller = (...roles: string[]): Caller =>
  callerOf({ authMethod: 'keystone', roles, systemScope: 'all', userId: 'u' })
const projectCaller = (projectId: string, ...roles: string[]): Caller =>
  callerOf({ authMethod: 'keystone', roles, projectId, projectName: `name-${projectId}`, userId: 'u' })

let directory: string
let policy: Policy
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leasehold-policy-'))
  policy = await loadPolicy()
})
afterAll(() => rm(directory, { recursive: true }))

let files = 0
async function fileWith(text: string): Promise<string> {
  files += 1
  const path = join(directory, `policy-${files}.yaml`)
  await writeFile(path, text)
  return path
}

describe('by the default rules', () => {
  const node = nodeTarget({ owner: 'owner', lessee: 'lessee' })
  const spare = nodeTarget({ owner: null, lessee: null })

  test.each<[string, Caller, RuleName, Target, boolean]>([
    ['an owner reader sees its node', projectCaller('owner', 'reader'), 'baremetal:node:get', node, true],
    ['a lessee reader sees its node', projectCaller('lessee', 'reader'), 'baremetal:node:get', node, true],
    ['a third project sees nothing', projectCaller('third', 'admin'), 'baremetal:node:get', node, false],
    [
      'a lessee reader sees no last_error',
      projectCaller('lessee', 'reader'),
      'baremetal:node:get:last_error',
      node,
      false,
    ],
    [
      'a lessee member may power on',
      projectCaller('lessee', 'member'),
      'baremetal:node:set_power_state',
      node,
      true,
    ],
    [
      'a lessee member may not deploy',
      projectCaller('lessee', 'member'),
      'baremetal:node:set_provision_state',
      node,
      false,
    ],
    [
      'a lessee manager may deploy',
      projectCaller('lessee', 'manager'),
      'baremetal:node:set_provision_state',
      node,
      true,
    ],
    [
      'an owner may lend its node',
      projectCaller('owner', 'member'),
      'baremetal:node:update:lessee',
      node,
      true,
    ],
    [
      'an owner may not give it away',
      projectCaller('owner', 'admin'),
      'baremetal:node:update:owner',
      node,
      false,
    ],
    ['nobody gets a password', systemCaller('admin'), 'show_password', node, false],
    ['a project token sees no chassis', projectCaller('owner', 'admin'), 'baremetal:chassis:get', {}, false],
    ['a system reader sees chassis', systemCaller('reader'), 'baremetal:chassis:get', {}, true],
    ['the ramdisk needs no token', publicCaller, 'baremetal:driver:ipa_lookup', {}, true],
    ['the public sees nothing else', publicCaller, 'baremetal:node:get', spare, false],
    [
      'a system manager owns no ownerless node',
      systemCallerOnly('manager'),
      'baremetal:port:create',
      spare,
      false,
    ],
    ['nor does a project called None', projectCaller('None', 'admin'), 'baremetal:port:create', spare, false],
    [
      'nor does it own the runbook of nobody',
      systemCallerOnly('manager'),
      'baremetal:runbook:use',
      runbookTarget({ owner: null }),
      false,
    ],
    [
      "an allocation is its owner's",
      projectCaller('a', 'member'),
      'baremetal:allocation:delete',
      allocationTarget({ owner: 'a' }),
      true,
    ],
    [
      "and no other's",
      projectCaller('b', 'member'),
      'baremetal:allocation:delete',
      allocationTarget({ owner: 'a' }),
      false,
    ],
  ])('%s', (_, caller, rule, target, allowed) => {
    expect(policy.allows(rule, caller, target)).toBe(allowed)
    expect(policy.explain(rule, caller, target).verdict === 'allowed').toBe(allowed)
  })

  /** A system token whose roles were not expanded, as a Keystone without implied roles gives. */
  function systemCallerOnly(role: string): Caller {
    return { ...systemCaller(), roles: [role] }
  }

  test('a node without lessee has no lessee key, one without owner a null', () => {
    expect(nodeTarget({ owner: null, lessee: null })).toEqual({ 'node.owner': null })
    expect(node).toEqual({ 'node.owner': 'owner', 'node.lessee': 'lessee' })
  })

  test('a refusal can be explained', () => {
    expect(
      policy.explain('baremetal:node:update:owner', projectCaller('owner', 'member'), node),
    ).toMatchObject({
      verdict: 'denied',
      because: expect.stringContaining('system_scope is null, not "all"'),
    })
    expect(policy.explain('baremetal:chassis:get', projectCaller('owner', 'admin'))).toMatchObject({
      verdict: 'wrong-scope',
      because: 'the token is for a project, the rule wants one for a system',
    })
  })

  test('a rule that does not exist is an error, never a yes', () => {
    expect(() => policy.allows('baremetal:step:execute:bios.wipe', systemCaller('admin'))).toThrow(
      'there is no rule of this name',
    )
    expect(policy.has('baremetal:step:execute:bios.wipe')).toBe(false)
    expect(policy.names()).toHaveLength(rules.length)
  })

  test('without authentication everything is allowed but to see secrets', () => {
    const open = callerOf({ authMethod: 'none', roles: [] })
    expect(policy.allows('baremetal:node:delete', open, node)).toBe(true)
    expect(policy.allows('baremetal:chassis:create', open)).toBe(true)
    expect(policy.allows('show_password', open, node)).toBe(false)
    expect(policy.allows('show_instance_secrets', open, node)).toBe(false)
  })
})

describe('the service project', () => {
  const nova = callerOf({
    authMethod: 'keystone',
    roles: ['service'],
    projectId: 's',
    projectName: 'service',
  })
  const foreign = nodeTarget({ owner: 'owner' })

  test('counts as system member and reader only while elevated access is on', async () => {
    const elevated = await loadPolicy({ serviceRoleElevated: true })
    expect(policy.allows('baremetal:node:get', nova, foreign)).toBe(false)
    expect(elevated.allows('baremetal:node:get', nova, foreign)).toBe(true)
    expect(elevated.allows('baremetal:node:update:owner', nova, foreign)).toBe(true)
    expect(elevated.allows('baremetal:node:delete', nova, foreign)).toBe(false)
  })

  test('is known by its configured name', async () => {
    const renamed = await loadPolicy({ serviceRoleElevated: true, serviceProjectName: 'infra' })
    expect(renamed.allows('baremetal:node:get', nova, foreign)).toBe(false)
    expect(renamed.allows('baremetal:node:get', { ...nova, projectName: 'infra' }, foreign)).toBe(true)
  })
})

describe('a policy file', () => {
  test('replaces single rules, keeps their scopes, and may use helpers and rules for steps', async () => {
    const overridesFile = await fileWith(`
# who may deploy
"baremetal:node:set_provision_state": rule:crew and project_id:%(node.lessee)s
"crew": rule:crew_names
"crew_names": role:crew or role:captain
"baremetal:chassis:get": "@"
"baremetal:step:execute:deploy.erase_devices": role:captain
"baremetal:node:inject_nmi": [["role:crew", "project_id:%(node.owner)s"], ["role:captain"]]
`)
    const changed = await loadPolicy({ overridesFile })
    const crew = projectCaller('p', 'crew')
    expect(
      changed.allows('baremetal:node:set_provision_state', crew, nodeTarget({ owner: null, lessee: 'p' })),
    ).toBe(true)
    expect(changed.allows('baremetal:node:set_provision_state', crew, nodeTarget({ owner: 'p' }))).toBe(false)
    expect(changed.allows('baremetal:chassis:get', crew)).toBe(false)
    expect(changed.allows('baremetal:chassis:get', systemCaller())).toBe(true)
    expect(changed.allows('baremetal:step:execute:deploy.erase_devices', crew)).toBe(false)
    expect(changed.allows('baremetal:node:inject_nmi', crew, nodeTarget({ owner: 'p' }))).toBe(true)
    expect(
      changed.allows('baremetal:node:get', projectCaller('p', 'reader'), nodeTarget({ owner: 'p' })),
    ).toBe(true)
  })

  test('may be empty, or JSON', async () => {
    expect((await loadPolicy({ overridesFile: await fileWith('# nothing yet\n') })).names()).toHaveLength(
      rules.length,
    )
    const json = await loadPolicy({ overridesFile: await fileWith('{"show_password": "role:admin"}') })
    expect(json.allows('show_password', systemCaller('admin'))).toBe(true)
  })

  test.each([
    [
      'a misspelt rule',
      '"baremetal:node:gett": "@"',
      /rule "baremetal:node:gett": .* is "baremetal:node:get" meant\?/,
    ],
    [
      'a helper nothing uses',
      'crew: "role:crew"',
      /rule "crew": there is no such rule and no other refers to it/,
    ],
    ['helpers that only use each other', 'a: "rule:b"\nb: "rule:a"', /rule "a": there is no such rule/],
    ['a syntax error', '"baremetal:node:get": "role:a &"', /rule "baremetal:node:get": column 8/],
    ['a misspelt attribute', '"baremetal:node:get": "project_id:%(node.ownr)s"', /is "node.owner" meant\?/],
    ['a misspelt credential', '"baremetal:node:get": "projct_id:%(node.owner)s"', /is "project_id" meant\?/],
    [
      'a reference to nothing',
      '"baremetal:node:get": "rule:nobody"',
      /"rule:nobody" refers to a rule that does not exist/,
    ],
    ['a circle', '"baremetal:node:get": "rule:a"\na: "rule:baremetal:node:get"', /in a circle/],
    ['a step of no interface', '"baremetal:step:execute:boss.x": "!"', /INTERFACE is one of bios/],
    ['a step without a name', '"baremetal:step:execute:bios": "!"', /INTERFACE\.STEP/],
    ['a rule given twice', 'show_password: "!"\nshow_password: "@"', /not valid YAML/],
    ['an unquoted !, which YAML reads as empty', 'show_password: !', /"!" for nobody/],
    ['an unquoted ! before a text', 'show_password: ! role:admin', /"!" for nobody/],
    ['a rule without a check', 'show_password:', /rule "show_password": write the check as text in quotes/],
    ['a tagged text', 'show_password: !!str', /write the check as text/],
    ['a number', 'show_password: 5', /write the check as text/],
    ['a mapping for a check', 'show_password: {a: b}', /write the check as text/],
    ['numbers in lists', 'show_password: [[5]]', /write the check as text/],
    ['mappings in lists', 'show_password: [{a: b}]', /write the check as text/],
    ['a key that is no text', '5: "@"', /"5" is not a rule name/],
    ['a list of rules', '- a', /write a mapping of rule names to checks/],
    ['broken YAML', '"a', /not valid YAML/],
    ['unknown tags', 'show_password: !secret x', /not valid YAML/],
    ['more than a mebibyte', `#${'x'.repeat(1_048_576)}`, /longer than 1048576/],
  ])('is refused with %s', async (_, text, message) => {
    const overridesFile = await fileWith(text)
    const loading = loadPolicy({ overridesFile })
    await expect(loading).rejects.toThrow(PolicyFileError)
    await expect(loading).rejects.toThrow(message)
    await expect(loading).rejects.toThrow(overridesFile)
  })

  test('must be there', async () => {
    const missing = loadPolicy({ overridesFile: join(directory, 'missing.yaml') })
    await expect(missing).rejects.toThrow(
      /missing.yaml: cannot be read .* correct policy.file or leave it out/,
    )
  })
})

describe('reloading', () => {
  const admin = systemCaller('admin')
  const on = 'show_password: "role:admin"\n'
  const off = 'show_password: "!" # again\n'
  const bad = 'show_password: "role"\n'

  test('takes a changed file into use, for callers known before too', async () => {
    const overridesFile = await fileWith(off)
    const log = { info: vi.fn(), error: vi.fn() }
    const changing = await loadPolicy({ overridesFile, log })
    expect(changing.allows('show_password', admin)).toBe(false)
    expect(await changing.reload()).toBe(false)
    await writeFile(overridesFile, on)
    expect(await Promise.all([changing.reload(), changing.reload()])).toEqual([true, true])
    expect(changing.allows('show_password', admin)).toBe(true)
    expect(log.info).toHaveBeenCalledTimes(1)
    expect(log.error).not.toHaveBeenCalled()
  })

  test('keeps the old rules when the new file is bad or gone, and says so once', async () => {
    const overridesFile = await fileWith(on)
    const log = { info: vi.fn(), error: vi.fn() }
    const changing = await loadPolicy({ overridesFile, log })
    await writeFile(overridesFile, bad)
    expect(await changing.reload()).toBe(false)
    expect(await changing.reload()).toBe(false)
    expect(log.error).toHaveBeenCalledTimes(1)
    expect(log.error).toHaveBeenCalledWith(
      expect.stringMatching(/stay as they were: .*"role" is not a check/),
    )
    await rm(overridesFile)
    expect(await changing.reload()).toBe(false)
    expect(await changing.reload()).toBe(false)
    expect(log.error).toHaveBeenCalledTimes(2)
    expect(changing.allows('show_password', admin)).toBe(true)
    await writeFile(overridesFile, off)
    expect(await changing.reload()).toBe(true)
    expect(changing.allows('show_password', admin)).toBe(false)
    await rm(overridesFile)
    expect(await changing.reload()).toBe(false)
    expect(log.error).toHaveBeenCalledTimes(3)
  })

  test('happens by itself while watched', async () => {
    const overridesFile = await fileWith(off)
    const changing = await loadPolicy({ overridesFile })
    const stop = watchPolicy(changing, 5)
    await writeFile(overridesFile, on)
    await vi.waitFor(() => expect(changing.allows('show_password', admin)).toBe(true), { timeout: 5_000 })
    stop()
    await writeFile(overridesFile, `${off}# and more\n`)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(changing.allows('show_password', admin)).toBe(true)
  })

  test('does nothing without a file', async () => {
    expect(await policy.reload()).toBe(false)
  })
})
