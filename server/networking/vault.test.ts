/** Sealed credentials. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openVault } from './vault.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vault-'))
})
afterEach(() => rm(directory, { recursive: true }))

const one = '6ccd1e7a-0000-4000-8000-000000000001'
const other = '6ccd1e7a-0000-4000-8000-000000000002'
const credentials = { username: 'admin', password: 'correct horse' }

describe('the vault', () => {
  it('makes a key that its owner alone may read, once, whoever is first', async () => {
    const path = join(directory, 'made', 'key')
    const vaults = await Promise.all(Array.from({ length: 8 }, () => openVault(path)))
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    const sealed = vaults[0]?.seal(one, credentials) as Buffer
    for (const vault of vaults) expect(vault.open(one, sealed)).toEqual(credentials)
  })

  it('seals so that nothing of it is to be read, and differently each time', async () => {
    const vault = await openVault(join(directory, 'key'))
    const sealed = vault.seal(one, credentials)
    expect(sealed.toString('latin1')).not.toMatch(/admin|correct|horse|username/)
    expect(vault.seal(one, credentials).equals(sealed)).toBe(false)
  })

  it('opens nothing for another switch, with another key, or changed by a bit', async () => {
    const vault = await openVault(join(directory, 'key'))
    const sealed = vault.seal(one, credentials)
    expect(() => vault.open(other, sealed)).toThrow(/do not open/)
    const stranger = await openVault(join(directory, 'another'))
    expect(() => stranger.open(one, sealed)).toThrow(/do not open/)
    for (let at = 0; at < sealed.length; at++) {
      const bent = Buffer.from(sealed)
      bent[at] = (bent[at] as number) ^ 1
      expect(() => vault.open(one, bent)).toThrow(/do not open/)
    }
  })

  it('refuses a file that holds no key, and leaves it as it is', async () => {
    const path = join(directory, 'key')
    await writeFile(path, 'secret\n')
    await expect(openVault(path)).rejects.toThrow(/32 bytes in Base64/)
    expect(await readFile(path, 'utf8')).toBe('secret\n')
  })
})
