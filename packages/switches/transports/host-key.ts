/** Whether an SSH server is the switch it should be: its host key's fingerprint is one of those given. */
import { createHash } from 'node:crypto'
import { SwitchError } from '../errors.ts'
import type { Trust } from '../types.ts'

/** `refused` says why, once a key was refused. */
export type HostKeyCheck = { accept: (key: Buffer) => boolean; refused: string | null }

/** @throws SwitchError 'invalid' if nothing says which keys are right and no word turns the check off */
export function hostKeyCheck(trust: Trust): HostKeyCheck {
  const { hostKeys = [] } = trust
  const insecure = isInsecure(trust)
  if (hostKeys.length === 0 && !insecure)
    throw new SwitchError(
      'invalid',
      'trust.hostKeys must list the SHA256 fingerprint of the switch’s SSH host key',
    )
  const wanted = new Set(hostKeys.map(plain))
  const check: HostKeyCheck = {
    refused: null,
    accept: (key) => {
      const fingerprint = fingerprintOf(key)
      if (insecure || wanted.has(plain(fingerprint))) return true
      check.refused = `its SSH host key is ${fingerprint}, which is none of those trusted; if the switch was replaced, give the new fingerprint, otherwise somebody stands in between`
      return false
    },
  }
  return check
}

/** As `ssh-keygen -l` prints it. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** True only for the whole sentence, so that nobody turns the check off by a slip. */
export function isInsecure(trust: Trust): boolean {
  return trust.insecure === 'I accept any host key and any certificate'
}

function plain(fingerprint: string): string {
  return fingerprint
    .trim()
    .replace(/^SHA256:/i, '')
    .replace(/=+$/, '')
}
