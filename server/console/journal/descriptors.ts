/** The open files of a process's journals: at most so many, the one longest unused is closed for the next. */
import { closeSync } from 'node:fs'

export interface Descriptors {
  /** The owner's descriptor, opened now if it has none. */
  of(owner: object, open: () => number): number
  /** Closes the owner's descriptor, if it has one. */
  release(owner: object): void
  /** How many are open. */
  readonly open: number
}

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
