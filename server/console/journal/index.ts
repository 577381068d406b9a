/** The journal of a serial console: what a machine printed, on disk, addressed by offset. See docs/consoles.md. */
export { type AsciicastOptions, asAsciicast } from './asciicast.ts'
export type { Descriptors } from './descriptors.ts'
export { descriptorPool } from './descriptors.ts'
export { type Extent, extent } from './extent.ts'
export { defaultLimits, type Limits } from './prune.ts'
export {
  type BytesEntry,
  type Entry,
  endOf,
  type MarkEntry,
  readJournal,
  type Span,
} from './reader.ts'
export type { Mark } from './record.ts'
export { type Match, type SearchOptions, search } from './search.ts'
export { isUuid, journalDirectory, removeJournal } from './segments.ts'
export { type SweepOptions, sweep } from './sweep.ts'
export { asText, describeMark, type TextOptions } from './text.ts'
export { type Journal, type JournalOptions, openJournal } from './writer.ts'
