/** A service in a process of its own with some simulated machines, whose consoles it keeps. */
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Lab, type LabMachine, startLab } from '../../../lab/index.ts'
import { launch, type Service } from '../../../testing.ts'
import { journalDirectory } from '../../journal/index.ts'

const password = 'correct horse battery'

/** Machines with a password of their own: no other service on this host takes them for ones that it had before. */
export const startMachines = (count: number): Promise<Lab> =>
  startLab({ count, serial: 'quiet', password: randomUUID().slice(0, 16) })

/** Starts the service on a data directory. */
export const startService = (data: string, more: readonly string[] = []): Service =>
  launch([
    ...['--data', data, '--listen', '127.0.0.1:0', '--log-level', 'warn'],
    ...['--identity-admin-password', password, '--conductor-power-sync-seconds', '0', ...more],
  ])

/** Enrols the machines and switches their consoles on. Gives the nodes' UUIDs. */
export async function enrol(url: string, machines: readonly LabMachine[]): Promise<string[]> {
  const ask = await administrator(url)
  return Promise.all(
    machines.map(async ({ address, port, username, password: secret }) => {
      const uuid = randomUUID()
      const access = {
        ipmi_address: address,
        ipmi_port: port,
        ipmi_username: username,
        ipmi_password: secret,
      }
      await ask('POST', '/v1/nodes', { uuid, driver: 'ipmi', driver_info: access })
      await ask('PUT', `/v1/nodes/${uuid}/console`, { enabled: true })
      const isOn = async () =>
        ((await ask('GET', `/v1/nodes/${uuid}/states`)) as { console_enabled: boolean }).console_enabled
      await until(isOn, 'a console that is on')
      return uuid
    }),
  )
}

/** A token of the administrator of the system. */
export async function loginTo(url: string): Promise<string> {
  const user = { name: 'admin', domain: { id: 'default' }, password }
  const auth = { identity: { methods: ['password'], password: { user } }, scope: { system: { all: true } } }
  const answer = await fetch(`${url}/identity/v3/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth }),
  })
  return answer.headers.get('x-subject-token') ?? ''
}

async function administrator(url: string) {
  const token = await loginTo(url)
  return async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(url + path, {
      method,
      headers: {
        'content-type': 'application/json',
        'x-auth-token': token,
        'x-openstack-ironic-api-version': '1.82',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return answer.status === 200 || answer.status === 201 ? answer.json() : undefined
  }
}

/** Where a node's journal is; where it would be, if it has none there. */
export function journalOf(data: string, node: string): string {
  const root = join(data, 'consoles')
  const names = existsSync(root) ? readdirSync(root) : []
  return journalDirectory(root, names.find((name) => name.startsWith(node)) ?? node)
}

/** Waits until something holds. */
export async function until(holds: () => unknown, what: string, ms = 20_000): Promise<void> {
  for (const end = Date.now() + ms; !(await holds()); await sleep(10))
    if (Date.now() > end) throw new Error(`${what} did not come about in ${ms} ms`)
}
