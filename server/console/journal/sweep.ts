/** Housekeeping over the journals of all nodes: quotas, age, and journals of nodes that are gone. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { type Kept, type Limits, prune, remove } from './prune.ts'
import { isJournal, removeJournal } from './segments.ts'

export interface SweepOptions {
  /** `totalBytes` is for the journals of all nodes together: the oldest segments of the tenant that has most go first. */
  readonly limits: Limits & { readonly totalBytes?: number }
  readonly now?: number
  /**
   * Whose these journals are; those that are not among them are removed. Asked after they were listed, so that none is
   * new since.
   */
  readonly tenants?: (names: readonly string[]) => Promise<ReadonlyMap<string, string>>
}

/** Returns how many journals were removed with their consoles, and how many bytes all others have. */
export async function sweep(
  root: string,
  options: SweepOptions,
): Promise<{ removed: number; bytes: number }> {
  const { limits, now = Date.now(), tenants = everybodys } = options
  const all: Owned[] = []
  let removed = 0
  const names = await journalsIn(root)
  const known = await tenants(names)
  for (const name of names) {
    const directory = join(root, name)
    const tenant = known.get(name)
    if (tenant !== undefined) for (const kept of prune(directory, limits, now)) all.push({ ...kept, tenant })
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

interface Owned extends Kept {
  readonly tenant: string
}

const everybodys = async (names: readonly string[]) => new Map(names.map((name) => [name, '']))

/**
 * Removes segments until so many bytes are gone, and returns how many are: of whoever has most at each moment the oldest,
 * so that who prints much pushes out nobody who does not.
 */
function shrink(all: readonly Owned[], excess: number): number {
  const tenants = [...Map.groupBy(all, ({ tenant }) => tenant).values()].map((kept) => ({
    bytes: kept.reduce((sum, one) => sum + one.bytes, 0),
    newestFirst: kept
      .filter(({ newest }) => !newest)
      .sort((one, other) => other.writtenAt - one.writtenAt || (one.path < other.path ? 1 : -1)),
  }))
  let gone = 0
  while (gone < excess) {
    const most = tenants
      .filter(({ newestFirst }) => newestFirst.length > 0)
      .reduce<(typeof tenants)[number] | undefined>(
        (one, other) => (one && one.bytes >= other.bytes ? one : other),
        undefined,
      )
    const oldest = most?.newestFirst.pop()
    if (!most || !oldest) break
    remove(oldest.path)
    most.bytes -= oldest.bytes
    gone += oldest.bytes
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
