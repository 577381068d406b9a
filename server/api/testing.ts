/** The whole service without a socket, for tests: real database, policy, hardware and workflows; callers of each kind. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import {
  bootstrap,
  createAuthenticator,
  ensureAssignment,
  ensureProject,
  type FixedRole,
  issueToken,
  loadPolicy,
} from '../access/index.ts'
import { type Config, defaultConfig } from '../config.ts'
import { createConsoles } from '../console/index.ts'
import { createHardware } from '../hardware/index.ts'
import { createConductorDirectory } from '../inventory/index.ts'
import { createNetworking, type OpenSwitch, openVault } from '../networking/index.ts'
import { createProvisioner, type Provisioner } from '../provision/index.ts'
import { createAllocator } from '../scheduling/index.ts'
import type { Db, Store } from '../store/index.ts'
import { testStore } from '../store/testing.ts'
import { createApp } from './app.ts'
import type { ApiDeps } from './deps.ts'

/** Who calls: a role on the system or on a project. `null` project is the system. */
const personas = {
  'system-admin': [null, 'admin'],
  'system-member': [null, 'member'],
  'system-reader': [null, 'reader'],
  'owner-admin': ['owner', 'admin'],
  'owner-manager': ['owner', 'manager'],
  'owner-member': ['owner', 'member'],
  'owner-reader': ['owner', 'reader'],
  'lessee-admin': ['lessee', 'admin'],
  'lessee-manager': ['lessee', 'manager'],
  'lessee-member': ['lessee', 'member'],
  'lessee-reader': ['lessee', 'reader'],
  stranger: ['stranger', 'admin'],
  service: ['service', 'service'],
} as const satisfies Record<string, readonly [string | null, FixedRole]>
export type Persona = keyof typeof personas

export interface Answer {
  status: number
  headers: Record<string, unknown>
  // biome-ignore lint/suspicious/noExplicitAny: an answer is looked into by tests, field by field.
  body: any
  text: string
}

/** What an error answer says, whichever of the two forms it has. */
export function faultOf(body: unknown): string {
  const inner = JSON.parse((body as { error_message: string }).error_message)
  return inner.faultstring ?? inner.description
}

export interface TestApi {
  app: FastifyInstance
  deps: ApiDeps
  db: Db
  pool: Store['pool']
  provisioner: Provisioner
  projects: Record<'owner' | 'lessee' | 'stranger' | 'service', string>
  tokens: Record<Persona, string>
  /** Sends a request as somebody, at the newest version unless another is given. */
  as(
    persona: Persona | null,
    method: Method,
    path: string,
    body?: unknown,
    version?: string | null,
  ): Promise<Answer>
  /** A node of `owner`, leased to `lessee`, with fake hardware. */
  node(fields?: Record<string, unknown>): Promise<{ uuid: string; name: string }>
  /** Waits until a node is in one of these states and free. */
  settled(uuid: string, ...states: string[]): Promise<Record<string, unknown>>
  close(): Promise<void>
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD'

/** `open` opens switches in place of the real drivers; without it none is talked to. */
export async function testApi(own: Partial<Config> = {}, open?: OpenSwitch): Promise<TestApi> {
  const store = await testStore()
  const { db } = store
  // Of its own: a service removes the journals of consoles that its database does not know.
  const data = await mkdtemp(join(tmpdir(), 'leasehold-api-'))
  const config = defaultConfig({
    data,
    'conductor.lock_interval_ms': 20,
    'conductor.power_sync_seconds': 0,
    'console.settle_ms': 0,
    ...own,
  })
  const log = pino({ level: 'silent' })
  await bootstrap(db, { adminPassword: 'correct horse' })
  const { projects, tokens } = await people(db)
  const policy = await loadPolicy({
    overridesFile: config['policy.file'],
    serviceRoleElevated: config['policy.service_role_elevated_access'],
    serviceProjectName: config['policy.service_project_name'],
  })
  const vault = await openVault(join(data, 'key'))
  const networking = createNetworking({
    db,
    databaseUrl: store.url,
    config,
    log,
    vault,
    ...(open ? { open } : {}),
  })
  const hardware = createHardware({ config, log, wiring: networking })
  const authenticator = createAuthenticator(config, { db, log })
  const provisioner = createProvisioner({
    db,
    databaseUrl: store.url,
    hardware,
    config,
    log,
  })
  const conductors = createConductorDirectory(db, config['conductor.liveness_seconds'])
  const allocator = createAllocator({ db, config, log })
  const consoles = createConsoles({
    db,
    databaseUrl: store.url,
    config,
    log,
    hardware,
    policy,
    authenticator,
  })
  const deps = {
    config,
    db,
    log,
    authenticator,
    policy,
    hardware,
    provisioner,
    conductors,
    allocator,
    consoles,
    vault,
    networking,
  }
  const app = await createApp(deps)
  await app.ready()
  await provisioner.start()
  if (open) await networking.start()
  allocator.start()

  const as: TestApi['as'] = async (persona, method, path, body, version = 'latest') => {
    const answer = await app.inject({
      method,
      url: path,
      headers: {
        host: 'baremetal.test:6385',
        ...(persona ? { 'x-auth-token': tokens[persona] } : {}),
        ...(version ? { 'x-openstack-ironic-api-version': version } : {}),
      },
      ...(body === undefined ? {} : { payload: body as Record<string, unknown> }),
    })
    const json = (answer.headers['content-type'] ?? '').toString().includes('json') && answer.body !== ''
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: json ? answer.json() : undefined,
      text: answer.body,
    }
  }
  let serial = 0
  return {
    app,
    deps,
    db,
    pool: store.pool,
    provisioner,
    projects,
    tokens,
    as,
    async node(fields = {}) {
      const { status, body, text } = await as('system-admin', 'POST', '/v1/nodes', {
        name: `node-${++serial}`,
        driver: 'fake-hardware',
        owner: projects.owner,
        lessee: projects.lessee,
        resource_class: 'baremetal',
        ...fields,
      })
      if (status !== 201) throw new Error(`node: ${status} ${text}`)
      return body
    },
    async settled(uuid, ...states) {
      const deadline = Date.now() + 15_000
      for (;;) {
        const { body } = await as('system-admin', 'GET', `/v1/nodes/${uuid}`)
        if (states.includes(body.provision_state) && body.reservation === null) return body
        if (Date.now() > deadline)
          throw new Error(`node stays ${body.provision_state}, wanted ${states}: ${body.last_error}`)
        await new Promise((done) => setTimeout(done, 10))
      }
    },
    async close() {
      await consoles.stop()
      await app.close()
      await allocator.stop()
      await provisioner.stop()
      await networking.stop()
      authenticator.close()
      await hardware.close()
      await store.close()
      await rm(data, { recursive: true })
    },
  }
}

/** Makes the projects and one user a persona, each with a token. */
async function people(db: Db): Promise<Pick<TestApi, 'projects' | 'tokens'>> {
  const projects: Record<string, string> = {}
  const tokens: Record<string, string> = {}
  for (const [persona, [project, role]] of Object.entries(personas)) {
    if (project) projects[project] ??= (await ensureProject(db, { name: project })).id
    const projectId = project ? (projects[project] as string) : null
    const user = await db
      .insertInto('users')
      .values({ id: crypto.randomUUID().replaceAll('-', ''), name: persona })
      .returning('id')
      .executeTakeFirstOrThrow()
    await ensureAssignment(db, { userId: user.id, role, projectId })
    const token = await issueToken(db, {
      userId: user.id,
      scope: projectId ? { projectId } : { system: true },
      methods: ['password'],
      applicationCredentialId: null,
      lifeSeconds: 3600,
      notAfter: null,
    })
    tokens[persona] = token as string
  }
  return { projects: projects as TestApi['projects'], tokens: tokens as TestApi['tokens'] }
}
