/**
 * Appends to a journal until it is killed or the disk refuses, and prints the end after each append.
 * Arguments: directory, fence, minimum offset.
 */
import { writeSync } from 'node:fs'
import { defaultLimits, openJournal } from '../index.ts'
import { lineByte } from './line.ts'

const [directory = '', fence, minimumOffset] = process.argv.slice(2)
const journal = openJournal({
  directory,
  fence: Number(fence),
  minimumOffset: Number(minimumOffset),
  limits: { ...defaultLimits, segmentBytes: 300_000 },
})
while (journal.recording) {
  const { end } = journal
  journal.append(
    Buffer.from(Uint8Array.from({ length: 1 + (end % 997) }, (_, index) => lineByte(end + index))),
  )
  if (journal.recording) writeSync(1, `${journal.end}\n`)
}
