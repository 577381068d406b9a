/** Housekeeping over the journals of all nodes: quotas, age, and journals of nodes that are gone. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { type Kept, type Limits, prune, remove } from './prune.ts'
import { isJournal, removeJournal } from './segments.ts'

export interface SweepOptions {
  /** `totalBytes` is for the journals of all nodes together: the oldest segments of any go first. */
  readonly limits: Limits & { readonly totalBytes?: number }
  readonly now?: number
  /** Which of these journals are kept; all others are removed. Asked after they were listed, so that none is new since. */
  readonly known?: (names: readonly string[]) => Promise<ReadonlySet<string>>
}

/** Returns how many journals were removed with their consoles, and how many bytes all others have. */
export async function sweep(
  root: string,
  options: SweepOptions,
): Promise<{ removed: number; bytes: number }> {
  const { limits, now = Date.now(), known = async (names) => new Set(names) } = options
  const all: Kept[] = []
  let removed = 0
  const names = await journalsIn(root)
  const kept = await known(names)
  for (const name of names) {
    const directory = join(root, name)
    if (kept.has(name)) all.push(...prune(directory, limits, now))
    else {
      await removeJournal(directory)
      removed += 1
    }
    // Each node is done at once, so that no writer of this process is in between; the service goes on between nodes.
    await setImmediate()
  }
  const bytes = all.reduce((sum, one) => sum + one.bytes, 0)
  return { removed, bytes: bytes - shrink(all, bytes - (limits.totalBytes ?? bytes)) }
}

/** Removes the oldest segments until so many bytes are gone, and returns how many are. */
function shrink(kept: readonly Kept[], excess: number): number {
  let gone = 0
  const oldestFirst = kept
    .filter(({ newest }) => !newest)
    .sort((one, other) => one.writtenAt - other.writtenAt || (one.path < other.path ? -1 : 1))
  for (const { path, bytes } of oldestFirst) {
    if (gone >= excess) break
    remove(path)
    gone += bytes
  }
  return gone
}

/** Whatever else lies in the root is not ours. */
async function journalsIn(root: string): Promise<string[]> {
  try {
    return (await readdir(root)).filter(isJournal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
