/** A serial line whose every byte follows from its offset, so that whoever reads it knows what it ought to be. */
export const lineByte = (offset: number): number => (offset * 31 + Math.floor(offset / 251)) % 256
