/** The key by which clients know the SSH door again: made once, kept where only the service reads it. */
import { randomUUID } from 'node:crypto'
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import ssh2 from 'ssh2'
import { newKeyPair } from '../key-pair.ts'
import { fingerprintOf } from '../public-key.ts'

export interface HostKey {
  /** OpenSSH's form. */
  privateKey: string
  fingerprint: string
}

/**
 * The key at `path`; a new ed25519 key when there is none.
 * @throws Error when what is there is no private key, or cannot be read.
 */
export async function hostKeyAt(path: string): Promise<HostKey> {
  const privateKey = (await readKey(path)) ?? (await makeKey(path))
  const parsed = ssh2.utils.parseKey(privateKey)
  if (parsed instanceof Error || !parsed.isPrivateKey())
    throw new Error(`${path} is no private key in OpenSSH's form without a passphrase: mend or remove it`)
  return { privateKey, fingerprint: fingerprintOf(parsed.getPublicSSH()) }
}

async function readKey(path: string): Promise<string | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600)
    return text
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Whole or not at all; of two that start at once, one's key is for both. */
async function makeKey(path: string): Promise<string> {
  const { privateKey: text } = newKeyPair()
  await mkdir(dirname(path), { recursive: true })
  const fresh = `${path}.${randomUUID()}`
  try {
    const file = await open(fresh, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(fresh, path)
    return text
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return await readFile(path, 'utf8')
  } finally {
    await rm(fresh, { force: true })
  }
}
