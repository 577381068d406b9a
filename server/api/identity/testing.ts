/** The Identity API over a fresh database, for tests: with one user of each kind, and requests as any of them. */
import { type FastifyInstance, fastify, type LightMyRequestResponse } from 'fastify'
import {
  type Authenticator,
  bootstrap,
  createAuthenticator,
  ensureAssignment,
  ensureProject,
  ensureUser,
  type FixedRole,
} from '../../access/index.ts'
import { defaultConfig } from '../../config.ts'
import type { Db, Store } from '../../store/index.ts'
import { testStore } from '../../store/testing.ts'
import { registerIdentity } from './index.ts'

export interface TestIdentity {
  app: FastifyInstance
  db: Db
  authenticator: Authenticator
  /** Sends a request below `/identity/v3`. */
  call(method: Method, path: string, options?: { token?: string; body?: unknown; subject?: string }): Answer
  /** A token by password; the password of everyone is `PASSWORD`. */
  tokenOf(user: string, scope: { project: string } | 'system' | 'unscoped'): Promise<string>
  close(): Promise<void>
}

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
type Answer = Promise<LightMyRequestResponse>

export const PASSWORD = 'correct horse'

const assignments: [user: string, project: string | null, role: FixedRole][] = [
  ['olive', 'owner', 'admin'],
  ['olive', 'owner', 'member'],
  ['lena', 'lessee', 'member'],
  ['strange', 'stranger', 'admin'],
  ['auditor', null, 'reader'],
  ['agent', 'service', 'service'],
]

/** Starts it: users `admin` (system), `olive`, `lena`, `strange` (projects), `auditor` (system reader), `agent`. */
export async function testIdentity(): Promise<TestIdentity> {
  const store = await testStore()
  try {
    return await startIdentity(store)
  } catch (error) {
    await store.close()
    throw error
  }
}

async function startIdentity(store: Store): Promise<TestIdentity> {
  const { db } = store
  await bootstrap(db, { adminPassword: PASSWORD })
  for (const [user, project, role] of assignments) {
    const { id } = await ensureUser(db, { name: user, password: PASSWORD })
    const projectId = project === null ? null : (await ensureProject(db, { name: project })).id
    await ensureAssignment(db, { userId: id, role, projectId })
  }
  const config = defaultConfig()
  const app = fastify({ logger: { level: 'silent' }, routerOptions: { ignoreTrailingSlash: true } })
  const log = { info: () => {}, warn: () => {}, error: () => {} } as never
  const authenticator = createAuthenticator(config, { db, log })
  await registerIdentity(app, { config, db, log, authenticator })
  await app.ready()

  const call: TestIdentity['call'] = (method, path, { token, body, subject } = {}) =>
    app.inject({
      method,
      url: `/identity/v3${path}`,
      headers: {
        host: 'identity.test:6385',
        ...(token === undefined ? {} : { 'x-auth-token': token }),
        ...(subject === undefined ? {} : { 'x-subject-token': subject }),
      },
      ...(body === undefined ? {} : { payload: body as Record<string, unknown> }),
    })
  return {
    app,
    db,
    authenticator,
    call,
    async tokenOf(user, scope) {
      const answer = await call('POST', '/auth/tokens', { body: passwordLogin(user, PASSWORD, scope) })
      if (answer.statusCode !== 201) throw new Error(`login of ${user}: ${answer.body}`)
      return answer.headers['x-subject-token'] as string
    },
    async close() {
      await app.close()
      authenticator.close()
      await store.close()
    },
  }
}

/** Body of `POST /auth/tokens`. */
export const passwordLogin = (
  name: string,
  password: string,
  scope?: { project: string } | 'system' | 'unscoped',
) => ({
  auth: {
    identity: { methods: ['password'], password: { user: { name, domain: { id: 'default' }, password } } },
    ...(scope === undefined
      ? {}
      : {
          scope:
            scope === 'unscoped'
              ? scope
              : scope === 'system'
                ? { system: { all: true } }
                : { project: { name: scope.project, domain: { name: 'Default' } } },
        }),
  },
})
