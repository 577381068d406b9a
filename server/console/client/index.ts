/** What programs need that speak with consoles from outside: no part of the service comes with it. */
export { endingOfCode } from '../endings.ts'
export { subprotocol } from '../protocol.ts'
export * from '../types.ts'
export * from './flags.ts'
export * from './words.ts'
