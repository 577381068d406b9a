/** Networks: switches, VLANs, and what is wanted of each switch port. */

export {
  changePool,
  deletePool,
  findPool,
  insertPool,
  listPools,
  type VlanPool,
} from './pools.sql.ts'
export { parseRanges, writeRanges } from './ranges.ts'
export {
  changeSwitch,
  deleteSwitch,
  deleteSwitchPort,
  findSwitch,
  insertSwitch,
  listSwitches,
  listSwitchPorts,
  putSwitchPorts,
  type Switch,
  type SwitchChanges,
  type SwitchPortRow,
} from './switches.sql.ts'
export { type Credentials, openVault, type Vault } from './vault.ts'
