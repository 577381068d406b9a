/** Cuts a stream of JSON objects that follow one another without separators, as OVSDB sends them. */

/** Feed it text as it comes; it answers with the objects that are complete. */
export function jsonStream(limit = 64 * 1024 * 1024): (chunk: string) => unknown[] {
  let buffer = ''
  let at = 0
  let depth = 0
  let inString = false
  let escaped = false

  return (chunk) => {
    buffer += chunk
    if (buffer.length > limit) throw new Error(`a message of more than ${limit} characters`)
    const found: unknown[] = []
    let start = 0
    for (; at < buffer.length; at++) {
      const character = buffer[at]
      if (escaped) escaped = false
      else if (inString) {
        if (character === '\\') escaped = true
        else if (character === '"') inString = false
      } else if (character === '"') inString = true
      else if (character === '{' || character === '[') depth++
      else if (character === '}' || character === ']') {
        depth--
        if (depth === 0) {
          found.push(JSON.parse(buffer.slice(start, at + 1)))
          start = at + 1
        }
      }
    }
    buffer = buffer.slice(start)
    at -= start
    return found
  }
}
