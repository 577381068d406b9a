/** A real Neutron for one test: ML2 with VLANs and no mechanism driver, on loopback, with SQLite. See install.d/neutron.sh. */
import { type ChildProcess, execFile } from 'node:child_process'
import { access, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freeTcpPort } from './programs.ts'
import { endWsgi, serveWsgi } from './wsgi.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../../.venv/neutron')
const python = join(root, 'bin/python')

export interface NeutronServer {
  url: string
  /** Ends the process; `start` brings it back at the same address with the same database. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Ends it and removes its directory. */
  remove(): Promise<void>
}

/** With which it asks Keystone what a token is worth. */
interface Identity {
  /** Keystone's, with the version. */
  url: string
  username: string
  password: string
  project: string
}

/** Makes and starts one. @throws Error with the command that installs Neutron when it is missing. */
export async function startNeutron(identity: Identity): Promise<NeutronServer> {
  await access(python).catch(() => {
    throw new Error('No Neutron to test with; install it with: test/real/install.d/neutron.sh')
  })
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-neutron-'))
  const port = await freeTcpPort()
  const configuration = await configure(directory, identity)
  const script = join(import.meta.dirname, 'neutron-database.py')
  await run(python, [script, join(directory, 'neutron.db')], { timeout: 60_000 })
  let child: ChildProcess | undefined
  const start = async () => {
    child = await serveWsgi({
      python,
      module: 'neutron.wsgi.api',
      port,
      environment: { OS_NEUTRON_CONFIG_FILES: configuration },
      log: join(directory, 'neutron.log'),
    })
  }
  const stop = () => endWsgi(child)
  await start()
  return {
    url: `http://127.0.0.1:${port}`,
    start,
    stop,
    async remove() {
      await stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function configure(directory: string, identity: Identity): Promise<string> {
  const [file, paste] = [join(directory, 'neutron.conf'), join(directory, 'api-paste.ini')]
  await copyFile(join(root, 'etc/neutron/api-paste.ini'), paste)
  await writeFile(
    file,
    `[DEFAULT]
core_plugin = ml2
service_plugins =
auth_strategy = keystone
transport_url = fake:/
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
state_path = ${directory}
api_paste_config = ${paste}
log_file = ${join(directory, 'neutron.log')}
[database]
connection = sqlite:///${join(directory, 'neutron.db')}
[oslo_concurrency]
lock_path = ${join(directory, 'locks')}
[keystone_authtoken]
auth_type = password
auth_url = ${identity.url}
www_authenticate_uri = ${identity.url}
username = ${identity.username}
password = ${identity.password}
project_name = ${identity.project}
user_domain_name = Default
project_domain_name = Default
# Keystone has no other.
interface = public
token_cache_time = 2
[ml2]
type_drivers = vlan,vxlan
tenant_network_types = vlan
mechanism_drivers =
extension_drivers =
[ml2_type_vlan]
network_vlan_ranges = default:100:199
[ml2_type_vxlan]
vni_ranges = 1:100
`,
  )
  return file
}
