/** Passwords of the users that the service makes for itself, kept nowhere but in clouds.yaml. */
import { join } from 'node:path'
import { type CloudEntry, cloudPassword, randomPassword, writeClouds } from './access/index.ts'
import type { Config } from './config.ts'
import { demoTenants } from './demo.ts'

export interface Credentials {
  /**
   * A password for a user that is about to be made. It is in clouds.yaml before it is used, so that a start that is
   * killed half-way loses none.
   */
  passwordOf(user: string): Promise<string>
  /** Writes the address that the service answers at; returns the file's path, if there is one. */
  listening(address: string): Promise<string | undefined>
}

/** The clouds of clouds.yaml by user: the administrator's acts on the system, a tenant's on its project. */
const clouds: readonly { cloud: string; user: string; scope: CloudEntry['scope'] }[] = [
  { cloud: 'leasehold', user: 'admin', scope: { system: true } },
  ...demoTenants.map(({ name }) => ({ cloud: name, user: name, scope: { project: name } })),
]

export function createCredentials(config: Config): Credentials {
  const path = join(config.data, 'clouds.yaml')
  const write = (address: string, { cloud, user, scope }: (typeof clouds)[number], password: string) =>
    writeClouds(path, {
      [cloud]: {
        authUrl: `${config['api.public_endpoint'] ?? address}/identity`,
        username: user,
        password,
        scope,
      },
    })
  return {
    async passwordOf(user) {
      const entry = clouds.find((each) => each.user === user)
      if (!entry) throw new Error(`no cloud for user ${user}`)
      const chosen = user === 'admin' ? config['identity.admin_password'] : undefined
      const password = chosen ?? (await cloudPassword(path, entry.cloud)) ?? randomPassword()
      await write(`http://${config.listen.host}:${config.listen.port}`, entry, password)
      return password
    },
    async listening(address) {
      if (config['auth.strategy'] !== 'standalone') return undefined
      for (const entry of clouds) {
        const password = await cloudPassword(path, entry.cloud)
        if (password !== undefined) await write(address, entry, password)
      }
      return path
    },
  }
}
