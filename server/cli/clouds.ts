/** Which cloud, and as whom: read as the `openstack` client reads it, from clouds.yaml or `OS_*`. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'

/** What is needed to get a token and find the service. */
export interface Cloud {
  authType: 'password' | 'token' | 'application_credential' | 'none'
  /** Names as in clouds.yaml: auth_url, username, project_name, ... */
  auth: Readonly<Record<string, string>>
  region: string | undefined
  interface: 'public' | 'internal' | 'admin'
  /** Where the Bare Metal API is, when the catalogue is not to be asked. */
  endpoint: string | undefined
  /** A file with certificates to trust. */
  caFile: string | undefined
  verify: boolean
}

/** Something the user can mend: said without a stack. */
export class CloudError extends Error {}

type Environment = Readonly<Record<string, string | undefined>>
type Mapping = Record<string, unknown>

/** Keys of `auth` that have an environment variable of the same name behind `OS_`. */
const authKeys = [
  'auth_url',
  'username',
  'user_id',
  'user_domain_id',
  'user_domain_name',
  'password',
  'project_id',
  'project_name',
  'project_domain_id',
  'project_domain_name',
  'domain_id',
  'domain_name',
  'system_scope',
  'token',
  'application_credential_id',
  'application_credential_name',
  'application_credential_secret',
  'endpoint',
] as const

const authTypes: Readonly<Record<string, Cloud['authType']>> = {
  password: 'password',
  v3password: 'password',
  token: 'token',
  v3token: 'token',
  v3applicationcredential: 'application_credential',
  none: 'none',
}

/** Where clouds.yaml is looked for; the first one found counts. The last is this service's own. */
export const cloudsFiles = (environment: Environment): string[] => [
  ...(environment.OS_CLIENT_CONFIG_FILE ? [environment.OS_CLIENT_CONFIG_FILE] : []),
  'clouds.yaml',
  join(environment.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'openstack', 'clouds.yaml'),
  '/etc/openstack/clouds.yaml',
  join('data', 'clouds.yaml'),
]

/**
 * The cloud of that name, or of `OS_CLOUD`; or what `OS_AUTH_URL` and its kin say; or the only one there is.
 * @throws CloudError that says what to set.
 */
export function findCloud(
  name: string | undefined,
  environment: Environment,
  read: (path: string) => string | undefined = readIfThere,
): Cloud {
  const wanted = name ?? (environment.OS_CLOUD || undefined)
  if (wanted === undefined && (environment.OS_AUTH_URL || environment.OS_ENDPOINT))
    return cloudOf({}, environment)
  const path = cloudsFiles(environment).find((each) => read(each) !== undefined)
  if (path === undefined)
    throw new CloudError(
      'There is no clouds.yaml; say where the cloud is by OS_CLIENT_CONFIG_FILE, or by OS_AUTH_URL and its kin.',
    )
  const clouds = withSecrets(
    cloudsIn(path, read),
    cloudsIn(path.replace(/clouds\.yaml$/, 'secure.yaml'), read),
  )
  const names = Object.keys(clouds)
  const chosen = wanted ?? (names.length === 1 ? names[0] : undefined)
  const which = `${path} has ${names.join(', ') || 'none'}`
  if (chosen === undefined) throw new CloudError(`Say which cloud by --os-cloud or OS_CLOUD: ${which}.`)
  if (!Object.hasOwn(clouds, chosen)) throw new CloudError(`There is no cloud ${chosen}: ${which}.`)
  return cloudOf(mappingOf(clouds[chosen]), {})
}

/** @throws CloudError */
function cloudOf(entry: Mapping, environment: Environment): Cloud {
  const auth: Record<string, string> = {}
  for (const [key, value] of Object.entries(mappingOf(entry.auth)))
    if (value !== null && value !== undefined) auth[key] = String(value)
  for (const key of authKeys) {
    const value = environment[`OS_${key.toUpperCase()}`]
    if (value) auth[key] = value
  }
  const text = (key: string): string | undefined => {
    const value = entry[key] ?? environment[`OS_${key.toUpperCase()}`]
    return value === undefined || value === null || value === '' ? undefined : String(value)
  }
  const given = text('auth_type')
  const authType = given === undefined ? guessedType(auth) : authTypes[given]
  if (authType === undefined)
    throw new CloudError(
      `auth_type ${given} is not known here: use one of ${Object.keys(authTypes).join(', ')}.`,
    )
  const endpoint = text('baremetal_endpoint_override') ?? text('endpoint_override') ?? auth.endpoint
  if (authType === 'none' ? !endpoint : !auth.auth_url)
    throw new CloudError(`The cloud lacks auth.${authType === 'none' ? 'endpoint' : 'auth_url'}.`)
  const face = (text('interface') ?? 'public').replace(/URL$/, '')
  return {
    authType,
    auth,
    region: text('region_name'),
    interface: face === 'internal' || face === 'admin' ? face : 'public',
    endpoint,
    caFile: text('cacert'),
    verify: entry.verify !== false && !/^(1|true|yes)$/i.test(environment.OS_INSECURE ?? ''),
  }
}

const guessedType = (auth: Readonly<Record<string, string>>): Cloud['authType'] => {
  if (auth.application_credential_secret !== undefined) return 'application_credential'
  if (auth.token !== undefined && auth.password === undefined) return 'token'
  return auth.auth_url === undefined && auth.endpoint !== undefined ? 'none' : 'password'
}

/** @throws CloudError when the file is there and not what it should be. */
function cloudsIn(path: string, read: (path: string) => string | undefined): Mapping {
  let document: unknown
  try {
    document = parse(read(path) ?? '')
  } catch (error) {
    throw new CloudError(`${path} is not YAML: ${(error as Error).message}`)
  }
  return mappingOf(mappingOf(document).clouds)
}

/** secure.yaml, beside clouds.yaml, has the passwords for those who keep them apart. */
const withSecrets = (clouds: Mapping, secrets: Mapping): Mapping =>
  Object.fromEntries(
    Object.entries(clouds).map(([name, entry]) => {
      const [open, secret] = [mappingOf(entry), mappingOf(secrets[name])]
      return [name, { ...open, ...secret, auth: { ...mappingOf(open.auth), ...mappingOf(secret.auth) } }]
    }),
  )

const mappingOf = (value: unknown): Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Mapping) : {}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CloudError(`${path} can not be read: ${(error as Error).message}`)
  }
}
