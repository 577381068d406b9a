/** Vendor methods of a fake machine and of its driver: one of each sort, to try vendor passthru with. */
import { LeaseholdError } from '../../errors.ts'
import type { VendorInterface } from '../types.ts'
import { memoryOf, remembering } from './memory.ts'
import { fake, operate } from './operations.ts'

export const vendor: VendorInterface = {
  ...fake('vendor'),
  methods: {
    echo: {
      http_methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      description: 'Answers with what it was given.',
      async: false,
      require_exclusive_lock: false,
      call: async (_node, args) => ({ answer: args }),
    },
    read_note: {
      http_methods: ['GET'],
      description: 'Answers with the note that the machine keeps.',
      async: false,
      require_exclusive_lock: false,
      call: async (node) => ({ answer: { text: memoryOf(node).note ?? null } }),
    },
    erase_note: {
      http_methods: ['DELETE'],
      description: 'Makes the machine forget its note, and answers with it.',
      async: false,
      require_exclusive_lock: true,
      async call(node, _args, bounds) {
        await operate(node, 'vendor.note', bounds)
        const { note, ...rest } = memoryOf(node)
        return { answer: { text: note ?? null }, changes: { memory: { fake: rest } } }
      },
    },
    note: {
      http_methods: ['POST', 'PUT'],
      description: 'Has the machine keep a note: {"text": ...}, at most 255 characters.',
      async: true,
      require_exclusive_lock: true,
      check: ({ text }) => void noteIn(text),
      async call(node, { text }, bounds) {
        await operate(node, 'vendor.note', bounds)
        return { changes: remembering(node, { note: noteIn(text) }) }
      },
    },
  },
  driverMethods: {
    echo: {
      http_methods: ['GET', 'POST'],
      description: 'Answers with what it was given.',
      async: false,
      call: async (args) => args,
    },
    idle: {
      http_methods: ['POST'],
      description: 'Does nothing, after its caller was answered.',
      async: true,
      call: async () => undefined,
    },
  },
}

function noteIn(text: unknown): string {
  if (typeof text === 'string' && text !== '' && text.length <= 255) return text
  throw new LeaseholdError('invalid', 'text must be 1 to 255 characters.')
}
