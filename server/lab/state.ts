/** What the lab remembers from one start to the next: one JSON file, replaced as a whole so that it is never half written. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { MachineState } from './machine.ts'

export type SavedMachine = MachineState & { port: number }
export type SavedLab = Record<string, SavedMachine>

/**
 * Reads the file; an absent one is an empty lab.
 *
 * @throws Error naming the file and the remedy if it is not what the lab wrote
 */
export async function loadLab(path: string): Promise<SavedLab> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  const problem = () =>
    new Error(`${path} is not a lab state file of version ${version}; remove it to start afresh`)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw problem()
  }
  if (!isRecord(parsed) || parsed.version !== version || !isRecord(parsed.machines)) throw problem()
  if (!Object.values(parsed.machines).every(isSavedMachine)) throw problem()
  return parsed.machines as SavedLab
}

export type Saver = {
  /** Says that something changed; the file is written a moment later. */
  changed(): void
  /** Writes what is not written yet. */
  flush(): Promise<void>
}

/** Writes what `snapshot` gives, at most some times a second and one write at a time. */
export function createSaver(path: string, snapshot: () => SavedLab, failed: (error: unknown) => void): Saver {
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  const write = () => {
    clearTimeout(timer)
    timer = undefined
    writing = writing.then(() => save(path, snapshot())).catch(failed)
    return writing
  }

  return {
    changed() {
      timer ??= setTimeout(write, saveAfterMs).unref()
    },
    flush: write,
  }
}

const version = 1
const saveAfterMs = 100

async function save(path: string, machines: SavedLab): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const draft = `${path}.${process.pid}.new`
  await writeFile(draft, `${JSON.stringify({ version, machines })}\n`, { mode: 0o600 })
  await rename(draft, path)
}

function isSavedMachine(value: unknown): value is SavedMachine {
  return (
    isRecord(value) &&
    Number.isInteger(value.port) &&
    (value.power === 'on' || value.power === 'off') &&
    Array.isArray(value.history) &&
    isRecord(value.boot) &&
    Number.isInteger(value.boot.setInProgress) &&
    Number.isInteger(value.boot.flagClearing) &&
    areBytes(value.boot.acknowledge, 2) &&
    areBytes(value.boot.flags, 5)
  )
}

function areBytes(value: unknown, length: number): boolean {
  return Array.isArray(value) && value.length === length && value.every((byte) => Number.isInteger(byte))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
