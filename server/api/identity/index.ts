/**
 * The Identity API of the standalone strategy: the part of Keystone v3 that OpenStack's clients use, at `/identity`.
 * HTTP only; the rules are in access/.
 */
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import { createThrottle } from '../../access/index.ts'
import { LeaseholdError } from '../../errors.ts'
import type { ApiDeps } from '../deps.ts'
import { validatorOf } from '../validate.ts'
import { credentialRoutes } from './application-credentials.ts'
import { registerLogin, sessionRoutes } from './auth.ts'
import { catalogRoutes, registerVersions } from './catalog.ts'
import { answerError } from './errors.ts'
import { projectRoutes } from './projects.ts'
import { assignmentRoutes } from './role-assignments.ts'
import { roleRoutes } from './roles.ts'
import { baseOf, type IdentityDeps, registerRoutes } from './routes.ts'
import { userRoutes } from './users.ts'

const maxBodyBytes = 65_536

/** Mounts the API at `/identity`, with error bodies, parsing and throttling of its own. */
export async function registerIdentity(
  app: FastifyInstance,
  deps: Pick<ApiDeps, 'config' | 'db' | 'log' | 'authenticator'>,
): Promise<void> {
  const all: IdentityDeps = {
    ...deps,
    throttle: createThrottle(),
    tokenSeconds: deps.config['identity.token_seconds'],
  }
  await app.register(
    async (scope) => {
      speakKeystone(scope, all)
      registerVersions(scope, all)
      registerLogin(scope, all)
      registerRoutes(scope, all, [
        ...sessionRoutes,
        ...catalogRoutes,
        ...projectRoutes,
        ...userRoutes,
        ...credentialRoutes,
        ...roleRoutes,
        ...assignmentRoutes,
      ])
    },
    { prefix: '/identity' },
  )
}

/** Parsing, validation and errors, as Keystone has them. */
function speakKeystone(scope: FastifyInstance, deps: IdentityDeps): void {
  scope.setErrorHandler((error, request, reply) =>
    answerError(`${baseOf(deps, request)}/identity`, error, request, reply),
  )
  scope.setNotFoundHandler((request, reply) =>
    answerError('', new LeaseholdError('not-found', 'The resource could not be found.'), request, reply),
  )
  scope.setValidatorCompiler(({ schema }) => {
    const check = validatorOf(schema as TSchema)
    return (value) => {
      check(value)
      return { value }
    }
  })
  scope.addHook('onRequest', async (request, reply) => {
    reply.header('vary', 'X-Auth-Token').header('cache-control', 'no-store')
    if (/%00/.test(request.url)) throw new LeaseholdError('invalid', 'The URL must not contain a NUL (%00).')
  })

  const parse = scope.getDefaultJsonParser('error', 'error')
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: maxBodyBytes },
    (request, body, done) => {
      // Clients name the media type on requests without a body, too.
      if (body === '') return done(null, undefined)
      // PostgreSQL's texts can not hold it, and no name or password needs it.
      if (body.includes('\\u0000'))
        return done(new LeaseholdError('invalid', 'The body must not contain a NUL (\\u0000).'), undefined)
      parse(request, body as string, done)
    },
  )
}
