/**
 * What is kept in memory for watchers that do not keep up: for each so much, and for all together so much. Where all
 * together keep too much each goes on with one piece at a time; what it is not given waits in the journal.
 */

export interface Buffers {
  /**
   * @param limitBytes for this watcher, `eachBytes` when left out
   * @param onRoom when it may be given bytes again after it might not
   */
  join(onRoom: () => void, limitBytes?: number): Share
}

export interface Share {
  /** Notes how many bytes are kept for this watcher now. @returns whether it may be given more */
  keeps(bytes: number): boolean
  leave(): void
}

/** Everybody may keep that, whatever the others do: nobody waits for the last bytes of a queue that others add to. */
const floorBytes = 4 * 1024

export function createBuffers({ eachBytes, allBytes }: { eachBytes: number; allBytes: number }): Buffers {
  let total = 0
  return {
    join(onRoom, limitBytes = eachBytes) {
      let kept = 0
      let stalled = false
      let gone = false
      return {
        keeps(bytes) {
          if (gone) return true
          total += bytes - kept
          kept = bytes
          const before = stalled
          // Half of it must be free again, so that it does not stop and go with every byte.
          const limit = stalled ? limitBytes / 2 : limitBytes
          stalled = bytes > floorBytes && (bytes > limit || total > allBytes)
          if (before && !stalled) onRoom()
          return !stalled
        },
        leave() {
          total -= kept
          kept = 0
          gone = true
        },
      }
    },
  }
}
