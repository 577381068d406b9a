/** What the writer does with files: one small door, so that tests can have a disk that refuses. */
import { constants, existsSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs'

export interface Files {
  /** `create` fails if there is such a file; `append` if there is none. Readable by the service's user only. */
  open(path: string, how: 'create' | 'append'): number
  write(descriptor: number, data: Buffer, start: number, length: number): number
  truncate(descriptor: number, size: number): void
  exists(path: string): boolean
  makeDirectory(path: string): void
}

const appendOnly = constants.O_WRONLY | constants.O_APPEND

export const nodeFiles: Files = {
  open: (path, how) => openSync(path, how === 'create' ? 'ax' : appendOnly, 0o600),
  write: (descriptor, data, start, length) => writeSync(descriptor, data, start, length),
  truncate: ftruncateSync,
  exists: existsSync,
  makeDirectory: (path) => void mkdirSync(path, { recursive: true, mode: 0o700 }),
}
