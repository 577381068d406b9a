/** Seals switches' credentials with a key that is not in the database: who has one of the two has nothing. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LeaseholdError, messageOf } from '../errors.ts'

/** A user and what proves it to a switch: a password, a private key, a certificate's key. */
export type Credentials = Readonly<Record<string, string>>

export interface Vault {
  /** Sealed for one switch: what was sealed for another does not open. */
  seal(switchUuid: string, credentials: Credentials): Buffer
  /** @throws LeaseholdError 'unavailable' when it was sealed with another key, or changed since. */
  open(switchUuid: string, sealed: Buffer): Credentials
}

const cipher = 'aes-256-gcm'
const version = 1
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

/**
 * The vault whose key is in the file at `path`; the file is made when there is none, for its owner's eyes only.
 * @throws Error when the file can be neither read nor made, or holds no key.
 */
export async function openVault(path: string): Promise<Vault> {
  return vaultOf(await keyOf(path), path)
}

async function keyOf(path: string): Promise<Buffer> {
  if (!(await exists(path))) await makeKey(path)
  const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64')
  if (key.length !== keyBytes)
    throw new Error(`${path}: must hold ${keyBytes} bytes in Base64, such as "openssl rand -base64 32" makes`)
  return key
}

const exists = (path: string): Promise<boolean> =>
  readFile(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )

/** Whole or not at all, and never over one that another process has made meanwhile. */
async function makeKey(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const fresh = `${path}.${randomBytes(8).toString('hex')}`
  try {
    const file = await open(fresh, 'wx', 0o600)
    try {
      await file.writeFile(`${randomBytes(keyBytes).toString('base64')}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(fresh, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(fresh, { force: true })
  }
}

const vaultOf = (key: Buffer, path: string): Vault => ({
  seal(switchUuid, credentials) {
    const nonce = randomBytes(nonceBytes)
    const sealing = createCipheriv(cipher, key, nonce).setAAD(Buffer.from(switchUuid))
    const text = Buffer.concat([sealing.update(JSON.stringify(credentials), 'utf8'), sealing.final()])
    return Buffer.concat([Buffer.from([version]), nonce, sealing.getAuthTag(), text])
  },
  open(switchUuid, sealed) {
    const start = 1 + nonceBytes
    try {
      if (sealed[0] !== version) throw new Error(`unknown version ${sealed[0]}`)
      const opening = createDecipheriv(cipher, key, sealed.subarray(1, start))
        .setAAD(Buffer.from(switchUuid))
        .setAuthTag(sealed.subarray(start, start + tagBytes))
      const text = Buffer.concat([opening.update(sealed.subarray(start + tagBytes)), opening.final()])
      return JSON.parse(text.toString('utf8')) as Credentials
    } catch (error) {
      throw new LeaseholdError(
        'unavailable',
        `The credentials of switch ${switchUuid} do not open with the key in ${path} (${messageOf(error)}); give this process the key they were sealed with, or set them again.`,
        { cause: error },
      )
    }
  },
})
