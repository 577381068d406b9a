import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Caller, callerOf } from './caller.ts'
import { loadPolicy, type Policy } from './policy.ts'
import { redactNode, redactVolumeTarget, seesNodesWhole } from './redact.ts'
import { maskSecrets } from './secrets.ts'

let policy: Policy
beforeAll(async () => {
  policy = await loadPolicy()
})

const of = (projectId: string, role = 'reader'): Caller =>
  callerOf({ authMethod: 'keystone', roles: [role], projectId })
const systemReader = callerOf({ authMethod: 'keystone', roles: ['reader'], systemScope: 'all' })

const node = {
  uuid: 'u',
  owner: 'owner',
  lessee: 'lessee',
  last_error: null,
  reservation: 'host-1',
  driver_info: {
    ipmi_address: '127.0.0.1',
    ipmi_password: 'pw',
    snmp_auth_key: 'k',
    deep: [{ authToken: 't' }],
  },
  driver_internal_info: { agent_secret_token: 'x', agent_url: 'http://127.0.0.1' },
  instance_info: {
    image_url: 'http://127.0.0.1/temporary',
    configdrive: { meta_data: {} },
    image_source: 'i',
  },
}
const masked = {
  ...node,
  driver_info: {
    ipmi_address: '127.0.0.1',
    ipmi_password: '******',
    snmp_auth_key: '******',
    deep: [{ authToken: '******' }],
  },
  driver_internal_info: { agent_secret_token: '******', agent_url: 'http://127.0.0.1' },
  instance_info: { image_url: '******', configdrive: '******', image_source: 'i' },
}
const redacted = {
  ...masked,
  last_error: '** Value Redacted - Requires baremetal:node:get:last_error permission. **',
  reservation: '** Redacted - requires baremetal:node:get:reservation permission. **',
  driver_internal_info: {
    content: '** Redacted - Requires baremetal:node:get:driver_internal_info permission. **',
  },
  driver_info: { content: '** Redacted - requires baremetal:node:get:driver_info permission. **' },
}

describe('a node', () => {
  test('is shown to its owner with secrets masked', () => {
    expect(redactNode(policy, of('owner'), node)).toEqual(masked)
  })

  test("is shown to its lessee with the owner's fields redacted, even an empty one", () => {
    expect(redactNode(policy, of('lessee', 'admin'), node)).toEqual(redacted)
  })

  test('is shown to a system reader as to its owner', () => {
    expect(seesNodesWhole(policy, systemReader)).toBe(true)
    expect(seesNodesWhole(policy, of('owner', 'admin'))).toBe(false)
    expect(redactNode(policy, systemReader, node)).toEqual(masked)
  })

  test('is judged by the threshold that was asked for once', () => {
    expect(redactNode(policy, of('lessee'), node, { thresholdHolds: true })).toEqual(masked)
    expect(redactNode(policy, of('owner'), node, { thresholdHolds: false })).toEqual(masked)
    expect(redactNode(policy, of('lessee'), node, { thresholdHolds: false })).toEqual(redacted)
  })

  test('keeps the fields it has: none is added', () => {
    expect(redactNode(policy, of('lessee'), { uuid: 'u', name: null })).toEqual({ uuid: 'u', name: null })
  })

  test('is judged by its ownership when the fields leave owner and lessee out, and hides more without', () => {
    const { owner, lessee, ...fields } = node
    expect(redactNode(policy, of('owner'), fields, { ownership: { owner, lessee } }).last_error).toBe(null)
    expect(redactNode(policy, of('owner'), fields).last_error).toMatch(/Redacted/)
  })

  test('is not changed itself', () => {
    const before = structuredClone(node)
    redactNode(policy, of('lessee'), node)
    redactNode(policy, of('owner'), node)
    expect(node).toEqual(before)
  })

  test('shows secrets only where the operator allows it', async () => {
    const open = {
      ...policy,
      allows: (...asked: Parameters<Policy['allows']>) =>
        asked[0] === 'show_password' || policy.allows(...asked),
    }
    const shown = redactNode(open, of('owner'), node)
    expect(shown.driver_info).toEqual(node.driver_info)
    expect(shown.driver_internal_info).toEqual(node.driver_internal_info)
    expect(shown.instance_info).toEqual(masked.instance_info)
  })

  test('an empty image_url stays as it is', () => {
    const shown = redactNode(policy, of('owner'), { instance_info: { image_url: '' } })
    expect(shown.instance_info.image_url).toBe('')
  })
})

describe('a volume target', () => {
  const volume = { uuid: 'v', properties: { target_iqn: 'iqn', auth_password: 'pw' } }
  const ownership = { owner: 'owner', lessee: 'lessee' }

  test('shows its properties, masked, to who may see them', () => {
    expect(redactVolumeTarget(policy, of('owner', 'admin'), volume, ownership).properties).toEqual({
      target_iqn: 'iqn',
      auth_password: '******',
    })
  })

  test('shows a note to others', () => {
    expect(redactVolumeTarget(policy, of('owner', 'member'), volume, ownership).properties).toEqual({
      redacted_contents:
        '** Value redacted: Requires permission baremetal:volume:view_target_properties access. Permission denied. **',
    })
    expect(redactVolumeTarget(policy, of('owner'), { uuid: 'v' }, ownership)).toEqual({ uuid: 'v' })
  })
})

describe('maskSecrets', () => {
  test.each([
    'password',
    'ipmi_password',
    'console_password',
    'console_private_key',
    'admin_pass',
    'AdminPassWord',
    'auth_token',
    'application_credential_secret',
    'private_key',
    'sslkey',
    'passphrase',
    'configdrive',
    'snmp_priv_key',
    'secret_uuid',
  ])('masks the value of %s, of whatever type', (key) => {
    for (const value of ['x', '', 5, true, null, ['x'], { inner: 'x' }]) {
      expect(maskSecrets({ [key]: value })).toEqual({ [key]: '******' })
    }
  })

  test.each(['ipmi_username', 'ipmi_address', 'deploy_kernel', 'public_key', 'redfish_system_id', 'passive'])(
    'leaves %s alone',
    (key) => {
      expect(maskSecrets({ [key]: 'value' })).toEqual({ [key]: 'value' })
    },
  )

  test.each([
    ['url?token=abc', 'url?token=******'],
    ['run --password hunter2 now', 'run --password ****** now'],
    ['{"admin_password": "hunter2", "user": "a"}', '{"admin_password": "******", "user": "a"}'],
    ["password = 'two words' x", "password = '******' x"],
    ['<secret>s</secret>', '<secret>******</secret>'],
    ['the password was wrong', 'the password was wrong'],
    ['tokens are rare', 'tokens are rare'],
  ])('masks inside the text %j', (text, shown) => {
    expect(maskSecrets({ note: text })).toEqual({ note: shown })
  })

  test('lets no secret through, however deep', () => {
    const key = fc.constantFrom('password', 'AUTH_TOKEN', 'my_secret_2')
    const shape = fc.array(fc.constantFrom('object', 'list'), { maxLength: 60 })
    fc.assert(
      fc.property(key, shape, (secretKey, levels) => {
        let value: unknown = { [secretKey]: 'hunter2', plain: 1 }
        for (const level of levels) value = level === 'list' ? [value] : { level: value }
        expect(JSON.stringify(maskSecrets(value))).not.toContain('hunter2')
      }),
    )
  })

  test('shows nothing of what is nested too deep, and survives it', () => {
    const deep = JSON.parse(`${'['.repeat(100_000)}"far"${']'.repeat(100_000)}`)
    expect(JSON.stringify(maskSecrets(deep))).toBe(`${'['.repeat(32)}"******"${']'.repeat(32)}`)
  })

  test('keeps every value that is no secret', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(!/pass|secret|token|key|pswd|config|cookie/i.test(JSON.stringify(value)))
        expect(maskSecrets(value)).toEqual(value)
      }),
    )
  })

  test('takes no longer than the text is long', () => {
    const text = 'token'.repeat(40_000)
    const started = performance.now()
    maskSecrets({ text, quotes: 'password="'.repeat(40_000), spaces: `secret${' '.repeat(200_000)}` })
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})
