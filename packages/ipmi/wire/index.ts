/** What travels between a console and a BMC, for both ends: codecs, cipher suites, sequence windows. No sockets, no timers. */
export * from './cipher.ts'
export * from './message.ts'
export * from './payload.ts'
export * from './rakp.ts'
export * from './rmcp.ts'
export * from './seal.ts'
export * from './sol.ts'
export * from './window.ts'
