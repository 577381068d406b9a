/** What may stand in a line that a switch reads as a command: nothing that could end the line or begin another. */
import { SwitchError } from './errors.ts'

/**
 * A VLAN's name: up to 32 letters, digits and `_ . : -`.
 *
 * @throws SwitchError 'invalid'
 */
export function checkVlanName(name: string): string {
  if (typeof name !== 'string' || !/^[A-Za-z0-9_.:-]{1,32}$/.test(name))
    throw new SwitchError(
      'invalid',
      `a VLAN's name has 1 to 32 letters, digits and _ . : -, not ${JSON.stringify(name)}`,
    )
  return name
}

/**
 * A port's description: up to 200 characters without control characters, quotes or anything that a command line
 * reads (; | ? ! $ < > and the like), words parted by one space. '' is none.
 *
 * @throws SwitchError 'invalid'
 */
export function checkDescription(text: string): string {
  const word = '[A-Za-z0-9_.,:/@+=()\\[\\]-]+'
  if (typeof text !== 'string' || text.length > 200 || !new RegExp(`^(?:${word}(?: ${word})*)?$`).test(text))
    throw new SwitchError(
      'invalid',
      `a description has up to 200 letters, digits and _ . , : / @ + = ( ) [ ] - in words, not ${JSON.stringify(text)}`,
    )
  return text
}
