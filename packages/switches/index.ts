/** Switch drivers: what is wanted of ports and VLANs is read, planned, guarded, applied, read back and saved. */
export { drivers } from './drivers.ts'
export { SwitchError, type SwitchErrorCode } from './errors.ts'
export { openSwitch } from './switch.ts'
export type {
  Capabilities,
  Difference,
  Guard,
  Journal,
  Lag,
  Membership,
  Plan,
  PortIntent,
  PortName,
  PortState,
  Result,
  Step,
  Switch,
  SwitchEvent,
  SwitchOptions,
  SwitchState,
  SwitchTarget,
  Trust,
  VlanId,
  VlanIntent,
  VlanState,
  Wanted,
} from './types.ts'
export { formatVlans, parseVlans } from './vlans.ts'
