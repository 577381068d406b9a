import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { writeClouds } from './clouds.ts'

let directory: string
let file: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leasehold-clouds-'))
  file = join(directory, 'new', 'clouds.yaml')
})
afterEach(() => rm(directory, { recursive: true }))

const authUrl = 'http://127.0.0.1:6385/identity'
const read = async () => parse(await readFile(file, 'utf8'))

describe('clouds.yaml', () => {
  test('says where the cloud is and who its user is, for the system and for a project', async () => {
    await writeClouds(file, {
      leasehold: { authUrl, username: 'admin', password: 'a: "b"', scope: { system: true } },
      lessee: { authUrl, username: 'lena', password: 'x', scope: { project: 'lessee' } },
    })
    expect(await read()).toEqual({
      clouds: {
        leasehold: {
          auth_type: 'password',
          auth: {
            auth_url: authUrl,
            username: 'admin',
            password: 'a: "b"',
            user_domain_name: 'Default',
            system_scope: 'all',
          },
          region_name: 'RegionOne',
          identity_api_version: '3',
        },
        lessee: {
          auth_type: 'password',
          auth: {
            auth_url: authUrl,
            username: 'lena',
            password: 'x',
            user_domain_name: 'Default',
            project_name: 'lessee',
            project_domain_name: 'Default',
          },
          region_name: 'RegionOne',
          identity_api_version: '3',
        },
      },
    })
  })

  test('is laid out for reading, one setting a line', async () => {
    await writeClouds(file, {
      leasehold: { authUrl, username: 'admin', password: 'x', scope: { system: true } },
    })
    expect(await readFile(file, 'utf8')).toBe(`clouds:
  leasehold:
    auth_type: password
    auth:
      auth_url: ${authUrl}
      username: admin
      password: x
      user_domain_name: Default
      system_scope: all
    region_name: RegionOne
    identity_api_version: "3"
`)
  })

  test('may be read by its owner only, and nothing else is left beside it', async () => {
    await writeClouds(file, {})
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readdir(join(directory, 'new'))).toEqual(['clouds.yaml'])
  })

  test('keeps what else is in it', async () => {
    file = join(directory, 'clouds.yaml')
    await writeFile(
      file,
      '# mine\nclouds:\n  other: { auth: { auth_url: x } }\ncache: { expiration_time: 1 }\n',
    )
    const entry = { authUrl, username: 'admin', password: 'new', scope: { system: true } } as const
    await writeClouds(file, { leasehold: { ...entry, password: 'old' } })
    await writeClouds(file, { leasehold: entry })
    const { clouds, cache } = await read()
    expect([clouds.other, cache]).toEqual([{ auth: { auth_url: 'x' } }, { expiration_time: 1 }])
    expect(clouds.leasehold.auth.password).toBe('new')
    expect(await readFile(file, 'utf8')).toContain('# mine')
  })

  test('that is broken is left alone, and the error names it', async () => {
    file = join(directory, 'clouds.yaml')
    for (const broken of ['clouds: [', '- a', 'clouds: 5']) {
      await writeFile(file, broken)
      await expect(writeClouds(file, {})).rejects.toThrow(file)
      expect(await readFile(file, 'utf8')).toBe(broken)
    }
  })
})
