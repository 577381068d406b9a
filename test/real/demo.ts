/** The service with its demonstration, and its four callers at the real clients. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Clients, type Program, startClients } from './clients.ts'
import { startService } from './service.ts'

const execute = promisify(execFile)

// biome-ignore lint/suspicious/noExplicitAny: what other programs print, read by the tests only
export type Printed = any

export interface Caller {
  /** `openstack baremetal LINE`; what it prints. @throws Error with its words when it fails. */
  (line: string): Promise<string>
  /** The same with `-f json`, parsed. */
  json(line: string): Promise<Printed>
  /** What it says as it fails. @throws Error when it does not. */
  refused(line: string): Promise<string>
  /** `openstack LINE`, or another program's. */
  run(line: string, program?: Program): Promise<string>
}

export interface Demo {
  admin: Caller
  owner: Caller
  lessee: Caller
  stranger: Caller
  /** Ids of the tenants' projects. */
  projects: { owner: string; lessee: string; stranger: string }
  /** What happened to a machine of the lab, as it wrote it down itself: `power on`, ... */
  history(machine: string): Promise<string[]>
  /** `ipmitool ... LINE` at a machine's BMC. */
  ipmitool(machine: string, line: string): Promise<string>
  end(): Promise<void>
}

/** Starts it as a user does, and the clients. */
export async function startDemo(settings: readonly string[] = []): Promise<Demo> {
  const [service, clients] = await Promise.all([startService(settings), startClients()])
  const end = async () => {
    await clients.close()
    await service.end()
  }
  try {
    const caller = (cloud: string) => createCaller(clients, service.clouds, cloud)
    const admin = caller('leasehold')
    const [owner, lessee, stranger] = ['owner', 'lessee', 'stranger'].map(caller) as [Caller, Caller, Caller]
    const ids: { ID: string; Name: string }[] = JSON.parse(await admin.run('project list -f json'))
    const project = (name: string) => ids.find((each) => each.Name === name)?.ID as string
    const machine = async (name: string) =>
      JSON.parse(await readFile(join(service.data, 'lab.json'), 'utf8')).machines[name]
    return {
      admin,
      owner,
      lessee,
      stranger,
      projects: { owner: project('owner'), lessee: project('lessee'), stranger: project('stranger') },
      history: async (name) => (await machine(name)).history.map(({ event }: { event: string }) => event),
      ipmitool: async (name, line) => {
        const { port } = await machine(name)
        const login = `-I lanplus -C 3 -H 127.0.0.1 -p ${port} -U admin -P leasehold`
        return (await execute('ipmitool', [...login.split(' '), ...line.split(' ')], { timeout: 20_000 }))
          .stdout
      },
      end,
    }
  } catch (error) {
    await end().catch(() => {})
    throw error
  }
}

function createCaller(clients: Clients, clouds: string, cloud: string): Caller {
  const environment = { OS_CLIENT_CONFIG_FILE: clouds, OS_CLOUD: cloud }
  const run = async (line: string, program: Program = 'openstack') => {
    const { code, stdout, stderr } = await clients.run(program, line, environment)
    if (code !== 0) throw new Error(`${program} ${line}: ${stderr || stdout}`)
    return stdout
  }
  return Object.assign((line: string) => run(`baremetal ${line}`), {
    run,
    json: async (line: string) => JSON.parse(await run(`baremetal ${line} -f json`)),
    async refused(line: string) {
      const { code, stdout, stderr } = await clients.run('openstack', `baremetal ${line}`, environment)
      if (code === 0) throw new Error(`openstack baremetal ${line}: was to fail, and says ${stdout}`)
      return stderr + stdout
    },
  })
}
