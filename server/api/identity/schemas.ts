/** Bodies of the Identity API. Fields that are not named here are ignored, as Keystone ignores them. */
import { type Static, type TSchema, Type } from 'typebox'
import { maxPasswordLength } from '../../access/index.ts'

const id = Type.String({ minLength: 1, maxLength: 64 })
const name = Type.String({ minLength: 1, maxLength: 255 })
const description = Type.String({ maxLength: 4000 })
const secret = Type.String({ minLength: 1, maxLength: maxPasswordLength })
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const optional = <T extends TSchema>(schema: T) => Type.Optional(schema)

/** A list or mapping that must be empty: what it would ask for is not kept here, and must not be lost silently. */
const nothingIn = {
  list: optional(nullable(Type.Array(Type.Unknown(), { maxItems: 0 }))),
  mapping: optional(Type.Object({}, { additionalProperties: false })),
}
/** Users and projects are in the one domain there is. */
const theDomain = optional(nullable(Type.Literal('default')))

const domainRef = Type.Object({ id: optional(id), name: optional(name) })
const ref = Type.Object({ id: optional(id), name: optional(name), domain: optional(domainRef) })

export const loginBody = Type.Object({
  auth: Type.Object({
    identity: Type.Object({
      methods: Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: 1 }),
      password: optional(
        Type.Object({
          user: Type.Object({
            id: optional(id),
            name: optional(name),
            domain: optional(domainRef),
            password: Type.String({ maxLength: maxPasswordLength }),
          }),
        }),
      ),
      application_credential: optional(
        Type.Object({
          id: optional(id),
          name: optional(name),
          user: optional(ref),
          secret: Type.String({ maxLength: maxPasswordLength }),
        }),
      ),
      token: optional(Type.Object({ id: Type.String({ maxLength: 8192 }) })),
    }),
    scope: optional(
      Type.Union([
        Type.Literal('unscoped'),
        Type.Object({
          project: optional(ref),
          system: optional(Type.Object({ all: Type.Literal(true) })),
        }),
      ]),
    ),
  }),
})
export type LoginBody = Static<typeof loginBody>

const projectFields = {
  description: optional(description),
  enabled: optional(Type.Boolean()),
  domain_id: theDomain,
  parent_id: theDomain,
  is_domain: optional(Type.Literal(false)),
  tags: nothingIn.list,
  options: nothingIn.mapping,
}
const projectName = Type.String({ minLength: 1, maxLength: 64, pattern: '\\S' })
export const newProjectBody = Type.Object({ project: Type.Object({ ...projectFields, name: projectName }) })
export const changedProjectBody = Type.Object({
  project: Type.Object({ ...projectFields, name: optional(projectName) }),
})
export type NewProject = Static<typeof newProjectBody>['project']
export type ChangedProject = Static<typeof changedProjectBody>['project']

const userFields = {
  description: optional(description),
  email: optional(nullable(Type.String({ maxLength: 255 }))),
  default_project_id: optional(nullable(id)),
  enabled: optional(Type.Boolean()),
  password: optional(nullable(secret)),
  domain_id: theDomain,
  options: nothingIn.mapping,
}
const userName = Type.String({ minLength: 1, maxLength: 255, pattern: '\\S' })
export const newUserBody = Type.Object({ user: Type.Object({ ...userFields, name: userName }) })
export const changedUserBody = Type.Object({ user: Type.Object({ ...userFields, name: optional(userName) }) })
export type NewUser = Static<typeof newUserBody>['user']
export type ChangedUser = Static<typeof changedUserBody>['user']

export const passwordBody = Type.Object({
  user: Type.Object({
    original_password: Type.String({ maxLength: maxPasswordLength }),
    password: secret,
  }),
})
export type PasswordBody = Static<typeof passwordBody>

const roleFields = {
  description: optional(nullable(description)),
  domain_id: optional(Type.Null()),
  options: nothingIn.mapping,
}
export const newRoleBody = Type.Object({
  role: Type.Object({ ...roleFields, name: Type.String({ minLength: 1, maxLength: 255, pattern: '\\S' }) }),
})
/** Names of roles do not change: policies name them. */
export const changedRoleBody = Type.Object({ role: Type.Object({ description }) })
export type NewRole = Static<typeof newRoleBody>['role']
export type ChangedRole = Static<typeof changedRoleBody>['role']

export const newCredentialBody = Type.Object({
  application_credential: Type.Object({
    name: Type.String({ minLength: 1, maxLength: 255, pattern: '\\S' }),
    description: optional(nullable(description)),
    secret: optional(nullable(secret)),
    expires_at: optional(nullable(Type.String({ maxLength: 40 }))),
    unrestricted: optional(nullable(Type.Boolean())),
    roles: optional(
      nullable(Type.Array(Type.Object({ id: optional(id), name: optional(name) }), { maxItems: 100 })),
    ),
    access_rules: nothingIn.list,
  }),
})
export type NewCredential = Static<typeof newCredentialBody>['application_credential']
