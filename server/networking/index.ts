/** Networks: switches, VLANs, and what is wanted of each switch port. */

export {
  countLinks,
  forgetVerified,
  linksOfNode,
  type NodeLink,
  quarantineUnverified,
  roleOfNode,
} from './links.sql.ts'
export { createNetworking } from './networking.ts'
export {
  changeNetwork,
  changePort,
  changeSubnet,
  deleteNetwork,
  deletePort,
  deletePortOffTrunks,
  deleteShare,
  deleteSubnet,
  insertNetwork,
  insertPort,
  insertShare,
  insertSubnet,
  NeutronError,
} from './networks.sql.ts'
export {
  type Collection,
  findEachNeutron,
  findNeutron,
  listNeutron,
  type NeutronPage,
  type NeutronRow,
  type Visible,
} from './neutron.sql.ts'
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
export { addSubports, changeTrunk, deleteTrunk, insertTrunk, removeSubports } from './trunks.sql.ts'
export type { Networking, OpenSwitch, SwitchHandle, Wiring } from './types.ts'
export { bindingsOfNode, countBindings, type NodeBinding, vifNotFound } from './upstream/index.ts'
export { type Credentials, openVault, type Vault } from './vault.ts'
