/** Simulated switches on real sockets, for tests and for the lab. */
export { selfSigned, type TestCertificate } from './certificate.ts'
export type { SshSwitch } from './cli/ssh.ts'
export type { Counts, Dirt, Faults, Said, Seen, SimulatedSwitch } from './device.ts'
export { type Arista, type AristaOptions, startArista } from './eos/simulator.ts'
export { type CatalystOptions, startCatalyst } from './ios/simulator.ts'
export { type Nexus, type NexusOptions, startNexus } from './nxos/simulator.ts'
export { type Os10Options, startOs10 } from './os10/simulator.ts'
export { type CommandLine, type ShellServer, startShellServer } from './shell-server.ts'
