/**
 * Finds bytes in bytes that come piece by piece, by Knuth, Morris and Pratt: each is looked at about once, whatever is
 * sought and however much of it repeats itself.
 */

/** What is sought, and how bytes are compared: `fold` gives what counts for each. */
export interface Sought {
  readonly needle: Buffer
  readonly fold: Uint8Array
  /** For each length of a beginning of the needle, less one: its longest other beginning that it ends with. */
  readonly fallbacks: Uint16Array
}

/** @param ignoreCase of A to Z, so that offsets stay what they are */
export function soughtOf(bytes: Buffer, ignoreCase: boolean): Sought {
  const fold = Uint8Array.from({ length: 256 }, (_, byte) =>
    ignoreCase && byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte,
  )
  const needle = Buffer.from(bytes.map((byte) => fold[byte] as number))
  const fallbacks = new Uint16Array(needle.length)
  for (let index = 1, length = 0; index < needle.length; index += 1) {
    while (length > 0 && needle[length] !== needle[index]) length = fallbacks[length - 1] as number
    if (needle[length] === needle[index]) length += 1
    fallbacks[index] = length
  }
  return { needle, fold, fallbacks }
}

/**
 * Goes on from a position, of which the last `matched` bytes are a beginning of the needle, until just behind the next
 * match, or to the end.
 */
export function seek(
  { needle, fold, fallbacks }: Sought,
  bytes: Buffer,
  from: { readonly position: number; readonly matched: number },
): { position: number; matched: number; found: boolean } {
  let { position, matched } = from
  while (position < bytes.length) {
    const byte = fold[bytes[position] as number]
    position += 1
    while (matched > 0 && needle[matched] !== byte) matched = fallbacks[matched - 1] as number
    if (needle[matched] === byte) matched += 1
    if (matched === needle.length) return { position, matched: 0, found: true }
  }
  return { position, matched, found: false }
}
