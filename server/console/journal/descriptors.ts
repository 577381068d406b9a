/** The open files of a process's journals: at most so many, the one longest unused is closed for the next. */
import { closeSync, readFileSync } from 'node:fs'

export interface Descriptors {
  /** The owner's descriptor, opened now if it has none. */
  of(owner: object, open: () => number): number
  /** Closes the owner's descriptor, if it has one. */
  release(owner: object): void
  /** How many are open. */
  readonly open: number
}

/** How many files the journals of a process may keep open: a quarter of what the system allows it, within bounds. */
export function shareOfDescriptors(limits = '/proc/self/limits'): number {
  try {
    const allowed = /^Max open files +(\d+)/m.exec(readFileSync(limits, 'utf8'))?.[1]
    return allowed === undefined ? most : Math.max(least, Math.min(most, Math.floor(Number(allowed) / 4)))
  } catch {
    return fallback // no Linux
  }
}
const [least, fallback, most] = [64, 512, 4_096]

/** `close` is there for tests. */
export function descriptorPool(limit: number, close: (descriptor: number) => void = closeSync): Descriptors {
  // A Map keeps the order of insertion: what is used goes to its end, so its first is the longest unused.
  const open = new Map<object, number>()
  const release = (owner: object): void => {
    const descriptor = open.get(owner)
    if (descriptor === undefined) return
    open.delete(owner)
    try {
      close(descriptor)
    } catch {
      // A disk that fails has said so to the writes; the number is free again however closing ends.
    }
  }
  return {
    of(owner, opened) {
      const known = open.get(owner)
      if (known !== undefined) {
        open.delete(owner)
        open.set(owner, known)
        return known
      }
      for (const oldest of open.keys()) {
        if (open.size < limit) break
        release(oldest)
      }
      const descriptor = opened()
      open.set(owner, descriptor)
      return descriptor
    },
    release,
    get open() {
      return open.size
    },
  }
}
