/** Writes clouds.yaml, from which OpenStack clients take where a cloud is and who they are. */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Document, isMap, parseDocument } from 'yaml'

/** One entry below `clouds:`, of a user of the standalone strategy. */
export interface CloudEntry {
  /** `http://HOST:PORT/identity`. */
  authUrl: string
  username: string
  password: string
  /** Where the user acts: a project, by name, or the whole system. */
  scope: { project: string } | { system: true }
}

/**
 * Adds or replaces these entries in the file at `path` and leaves its other entries and comments as they are. Makes
 * the file when there is none. Readers see the old file or the new one, never a part; only the owner may read it.
 *
 * @throws Error when the file is there and is not YAML with a mapping `clouds`.
 */
export async function writeClouds(
  path: string,
  entries: Readonly<Record<string, CloudEntry>>,
): Promise<void> {
  const document = await readClouds(path)
  for (const [name, entry] of Object.entries(entries))
    document.setIn(['clouds', name], document.createNode(cloudOf(entry)))
  await mkdir(dirname(path), { recursive: true })
  const fresh = `${path}.${randomUUID()}`
  try {
    const file = await open(fresh, 'wx', 0o600)
    try {
      await file.writeFile(document.toString())
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(fresh, path)
  } catch (error) {
    await rm(fresh, { force: true })
    throw error
  }
}

/** The password that the file has for a cloud, if it has one. @throws Error as `writeClouds` does. */
export async function cloudPassword(path: string, name: string): Promise<string | undefined> {
  const password = (await readClouds(path)).getIn(['clouds', name, 'auth', 'password'])
  return typeof password === 'string' ? password : undefined
}

const cloudOf = ({ authUrl, username, password, scope }: CloudEntry) => ({
  // What most clients take when it is left out; `baremetal`, python-ironicclient's own command, takes none then.
  auth_type: 'password',
  auth: {
    auth_url: authUrl,
    username,
    password,
    user_domain_name: 'Default',
    ...('system' in scope
      ? { system_scope: 'all' }
      : { project_name: scope.project, project_domain_name: 'Default' }),
  },
  region_name: 'RegionOne',
  identity_api_version: '3',
})

async function readClouds(path: string): Promise<Document> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  const document = parseDocument(text)
  const problem = document.errors[0]
  if (problem) throw new Error(`${path} is not YAML, mend or remove it: ${problem.message}`)
  if (document.contents === null) return new Document({ clouds: {} })
  if (!isMap(document.contents)) throw new Error(`${path}: must be a mapping with the key "clouds"`)
  const clouds = document.get('clouds')
  if (clouds === undefined || clouds === null) document.set('clouds', document.createNode({}))
  else if (!isMap(clouds)) throw new Error(`${path}: "clouds" must be a mapping`)
  return document
}
