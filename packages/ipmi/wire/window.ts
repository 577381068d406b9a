/** Which sequence numbers of a session have been seen: refuses replays, lets late and lost packets be (IPMI 2.0, 6.12.13). */

/** `highest` is the newest number accepted (0: none); bit n of `seen` says that highest - n was accepted. */
export type Window = { highest: number; seen: number }

export const emptyWindow: Window = { highest: 0, seen: 0 }

const width = 32

/**
 * The window after `sequence` has been accepted, or undefined if it was seen before or is too old to tell.
 * Only to be asked about packets whose signature was right: a forged number must not move the window.
 */
export function accept(window: Window, sequence: number): Window | undefined {
  if (sequence === 0) return undefined
  const ahead = (sequence - window.highest) | 0
  if (window.highest === 0 || ahead >= width) return { highest: sequence, seen: 1 }
  if (ahead > 0) return { highest: sequence, seen: ((window.seen << ahead) | 1) >>> 0 }
  const bit = -ahead
  if (bit >= width || (window.seen >>> bit) & 1) return undefined
  return { highest: window.highest, seen: (window.seen | (1 << bit)) >>> 0 }
}

/** The number after this one; 0 is reserved for packets outside a session. */
export function nextSequence(sequence: number): number {
  return sequence >= 0xffffffff ? 1 : sequence + 1
}
