/** A node's life at the real client, verb by verb, with --wait. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Demo, type Printed, startDemo } from './demo.ts'

let demo: Demo
beforeAll(async () => {
  demo = await startDemo()
})
afterAll(() => demo?.end())

const steps = (...names: string[]) =>
  `'${JSON.stringify(
    names.map((name) => {
      const [type, step] = name.split('.')
      return { interface: type, step, ...(step === 'hold' ? {} : { args: {} }) }
    }),
  )}'`
const state = async (node: string): Promise<string> =>
  (await demo.admin.json(`node show ${node} --fields provision_state`)).provision_state
/** Not `expect.poll`, which does not know its test where tests run at once. */
async function reaches(node: string, wanted: string): Promise<void> {
  const deadline = Date.now() + 30_000
  let seen = await state(node)
  for (; seen !== wanted && Date.now() < deadline; seen = await state(node)) await sleep(300)
  expect(seen, node).toBe(wanted)
}
/** A fake node in a state, with `driver_info` that makes it misbehave from then on. */
async function fakeNode(name: string, verbs: readonly string[], driverInfo = ''): Promise<void> {
  await demo.admin(`node create --driver fake-hardware --name ${name}`)
  for (const verb of verbs) await demo.admin(`node ${verb} ${name} --wait 60`)
  if (driverInfo) await demo.admin(`node set ${name} --driver-info ${driverInfo}`)
}

describe('a fake node', () => {
  beforeAll(() => fakeNode('life', []))

  test.each([
    ['manage', '', 'manageable'],
    ['inspect', '', 'manageable'],
    ['clean', `--clean-steps ${steps('deploy.erase_devices')}`, 'manageable'],
    ['provide', '', 'available'],
    ['deploy', '', 'active'],
    ['service', `--service-steps ${steps('vendor.log_passthrough')}`, 'active'],
    ['rescue', '--rescue-password secret', 'rescue'],
    ['unrescue', '', 'active'],
    ['rebuild', '', 'active'],
    ['undeploy', '', 'available'],
    ['manage', '', 'manageable'],
    ['adopt', '', 'active'],
  ])('%s %s ends in %s', async (verb, options, expected) => {
    await demo.admin(`node ${verb} life --wait 60 ${options}`)
    expect(
      await demo.admin.json('node show life --fields provision_state target_provision_state last_error'),
    ).toEqual({ provision_state: expected, target_provision_state: null, last_error: null })
  })

  test('has all of it in its history', async () => {
    const events: string[] = (await demo.admin.json('node history list life')).map(
      (row: Printed) => row.event,
    )
    for (const move of [
      'from enroll to verifying',
      'from manageable to inspecting',
      'from manageable to cleaning',
      'from available to deploying',
      'from active to servicing',
      'from active to rescuing',
      'from rescue to unrescuing',
      'from active to deleting',
      'from manageable to adopting',
    ])
      expect(
        events.some((event) => event.includes(move)),
        move,
      ).toBe(true)
  })

  test('refuses a verb that its state does not know, and says which', async () => {
    expect(await demo.admin.refused('node provide life')).toMatch(/provide.*active.*HTTP 400/s)
    expect(await state('life')).toBe('active')
  })

  test('under protection is not undeployed or rebuilt before that is unset', async () => {
    await demo.admin('node set life --protected --protected-reason needed')
    for (const verb of ['undeploy', 'rebuild'])
      expect(await demo.admin.refused(`node ${verb} life`)).toMatch(/protected.*HTTP 403/s)
    await demo.admin('node unset life --protected')
    await demo.admin('node undeploy life --wait 60')
    expect(await state('life')).toBe('available')
  })

  test('in maintenance is not deployed', async () => {
    await demo.admin('node maintenance set life')
    expect(await demo.admin.refused('node deploy life')).toMatch(/maintenance/)
    await demo.admin('node maintenance unset life')
  })
})

// At once: what takes time is the client's pause of 10 seconds between two looks.
describe.concurrent('what goes wrong', () => {
  test('a failing step ends the wait with its message, and a second try succeeds', async () => {
    await fakeNode(
      'worn',
      ['manage', 'provide'],
      `fake_fail=deploy.write_image --driver-info fake_fail_message='disk 3 is worn out'`,
    )
    expect(await demo.admin.refused('node deploy worn --wait 60')).toContain('disk 3 is worn out')
    expect(await demo.admin.json('node show worn --fields provision_state last_error')).toEqual({
      provision_state: 'deploy failed',
      last_error: expect.stringContaining('disk 3 is worn out'),
    })
    await demo.admin('node unset worn --driver-info fake_fail')
    await demo.admin('node deploy worn --wait 60')
    expect(await demo.admin.json('node show worn --fields provision_state last_error')).toEqual({
      provision_state: 'active',
      last_error: null,
    })
  })

  test.each([
    ['deploy', ['manage', 'provide'], 'deploy.write_image', 'wait call-back', 'deploy failed'],
    ['clean', ['manage'], 'deploy.erase_devices', 'clean wait', 'clean failed'],
    ['inspect', ['manage'], 'inspect.inspect', 'inspect wait', 'inspect failed'],
  ])('a %s that waits for its machine is aborted', async (verb, before, waits, wait, failed) => {
    const name = `waits-${verb}`
    await fakeNode(name, before, `fake_wait=${waits}`)
    await demo.admin(`node ${verb} ${name} ${verb === 'clean' ? `--clean-steps ${steps(waits)}` : ''}`)
    await reaches(name, wait)
    await demo.admin(`node abort ${name}`)
    await reaches(name, failed)
    expect((await demo.admin.json(`node show ${name} --fields last_error`)).last_error).toMatch(/abort/i)
  })

  test('a node that holds waits for its machine when it is told to go on', async () => {
    await fakeNode('holds', ['manage'])
    await demo.admin(
      `node clean holds --clean-steps ${steps('deploy.erase_devices', 'deploy.hold', 'deploy.erase_devices_metadata')}`,
    )
    await reaches('holds', 'clean hold')
    await demo.admin('node unhold holds')
    await reaches('holds', 'clean wait')
    await demo.admin('node abort holds')
    await reaches('holds', 'clean failed')
  })

  test('a BMC with another password keeps the node in enroll and says what to check', async () => {
    const { driver_info } = await demo.admin.json('node show machine-7 --fields driver_info')
    await demo.admin(
      `node create --driver ipmi --name wrong --driver-info ipmi_address=127.0.0.1
       --driver-info ipmi_port=${driver_info.ipmi_port} --driver-info ipmi_username=admin --driver-info ipmi_password=guessed`,
    )
    expect(await demo.admin.refused('node manage wrong --wait 60')).toContain(
      'unexpected stable state enroll',
    )
    expect((await demo.admin.json('node show wrong --fields last_error')).last_error).toMatch(/password/)
  })
})

describe('a lessee', () => {
  test('deploys and undeploys the machine it leases', async () => {
    await demo.lessee('node deploy machine-2 --wait 60')
    expect(await state('machine-2')).toBe('active')
    await demo.lessee('node undeploy machine-2 --wait 60')
    expect(await state('machine-2')).toBe('available')
  })
})

describe('an owner', () => {
  test('enrols a machine of the lab by itself, up to available', async () => {
    const { driver_info } = await demo.admin.json('node show machine-12 --fields driver_info')
    await demo.owner(
      `node create --driver ipmi --name mine --driver-info ipmi_address=127.0.0.1
       --driver-info ipmi_port=${driver_info.ipmi_port} --driver-info ipmi_username=admin --driver-info ipmi_password=leasehold`,
    )
    await demo.owner('node manage mine --wait 60')
    await demo.owner('node provide mine --wait 60')
    await demo.owner('node power on mine')
    await expect
      .poll(() => demo.ipmitool('machine-12', 'chassis power status'), { timeout: 10_000 })
      .toBe('Chassis Power is on\n')
  })
})
