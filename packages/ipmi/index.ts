/** IPMI 2.0 (RMCP+) client: power, boot device, identity of thousands of machines over one UDP socket. */
export type { BootDevice, BootSetting, BootWish } from './boot.ts'
export { type CallOptions, type ClientOptions, createIpmiClient, type IpmiClient } from './client.ts'
export type { Command, Operation, Reply, Send } from './command.ts'
export type { ChannelAuthentication, ChassisStatus, DeviceId, PowerAction } from './commands.ts'
export { IpmiError, type IpmiErrorCode } from './errors.ts'
export type { Sol, SolOptions } from './sol-options.ts'
export { type SolQuirk, solQuirks } from './sol-quirks.ts'
export type { Privilege, Target } from './target.ts'
