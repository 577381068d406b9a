/** For doors by which nobody can ask for the keyboard: who came to take it asks for it again with each key. */
import type { Attachment, Mode, Sink } from './types.ts'

/** Stand between a door and the console: the sink first, then around what that one was attached to. */
export interface Insistent {
  sink: Sink
  around(attachment: Attachment): Attachment
}

export function insistent(mode: Mode, sink: Sink): Insistent {
  if (mode !== 'take') return { sink, around: (attachment) => attachment }
  let writes = false
  return {
    sink: {
      ...sink,
      control(message) {
        if (message.type === 'hello' || message.type === 'mode') writes = message.mode === 'write'
        sink.control(message)
      },
    },
    around: (attachment) => ({
      ...attachment,
      write(bytes) {
        if (!writes) attachment.request({ type: 'take' })
        return attachment.write(bytes)
      },
    }),
  }
}
