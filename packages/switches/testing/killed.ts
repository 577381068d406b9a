/** A process that makes one change to a switch, and is killed in the middle of it by whoever started it. */

import { openSwitch } from '../switch.ts'
import type { Guard, SwitchTarget, Wanted } from '../types.ts'
import { fileJournal } from './file-journal.ts'

const { target, guard, wanted, journal } = JSON.parse(process.argv[2] ?? '') as {
  target: SwitchTarget
  guard: Guard
  wanted: Wanted
  journal: string
}
await openSwitch(target, { guard, journal: fileJournal(journal) }).apply(wanted)
