/** The resources of the Bare Metal API: what they are and how they are kept. */
export {
  beginAgentSession,
  findInspectedByBmc,
  findNodeByMacs,
  type Heartbeat,
  isAgentToken,
  recordHeartbeat,
  withoutAgentSession,
} from './agents.sql.ts'
export {
  type Chassis,
  type ChassisChanges,
  type ChassisColumn,
  changeChassis,
  deleteChassis,
  findChassis,
  insertChassis,
  listChassis,
} from './chassis.sql.ts'
export { choosePort, type VifPlace, vifOf, type WantedVif } from './choose-port.ts'
export {
  type Conductor,
  type ConductorDirectory,
  conductorsFor,
  createConductorDirectory,
  requireConductor,
  responsibleFor,
} from './conductors.ts'
export { type Constraints, worded } from './constraints.ts'
export { findHistory, type HistoryEntry, listHistory } from './history.sql.ts'
export {
  changeInspectionRule,
  deleteInspectionRules,
  findInspectionRule,
  type InspectionRule,
  type InspectionRuleChanges,
  type InspectionRuleColumn,
  insertInspectionRule,
  inspectionRulesOf,
  listInspectionRules,
  type NewInspectionRule,
} from './inspection-rules.sql.ts'
export { type Keyset, keysetPage } from './keyset.ts'
export { type LockOptions, lockedError, type NodeLock, releaseLock, takeLock, withLock } from './lock.ts'
export {
  findBiosSetting,
  findInventory,
  listBiosSettings,
  listFirmware,
  machineColumns,
  type StoredBiosSetting,
  type StoredFirmware,
  tellNode,
  withMachine,
  withMachineParts,
} from './machine.sql.ts'
export {
  type ChangeOptions,
  changeNode,
  childrenOf,
  deleteNode,
  findNode,
  findNodes,
  insertNode,
  listNodes,
  type NewNode,
  type Node,
  type NodeChanges,
  type NodeColumn,
  type NodeFilters,
} from './nodes.sql.ts'
export {
  deleteOwned,
  findOwned,
  insertOwned,
  listOwned,
  type NewOwned,
  type Owned,
  type OwnedChanges,
  type OwnedFilters,
  type OwnedTable,
  type Port,
  type Portgroup,
  updateOwned,
  type VolumeConnector,
  type VolumeTarget,
} from './owned.sql.ts'
export { setPhysicalNetwork, withPortgroup } from './portgroups.sql.ts'
export {
  changeRunbook,
  deleteRunbook,
  findRunbook,
  insertRunbook,
  listRunbooks,
  type NewRunbook,
  type Runbook,
  type RunbookChanges,
  type RunbookColumn,
} from './runbooks.sql.ts'
export { countShards } from './shards.sql.ts'
export {
  changeDeployTemplate,
  type DeployTemplate,
  type DeployTemplateChanges,
  type DeployTemplateColumn,
  deleteDeployTemplate,
  deployTemplatesNamed,
  findDeployTemplate,
  insertDeployTemplate,
  listDeployTemplates,
  type NewDeployTemplate,
} from './templates.sql.ts'
export { isVisible, type Visible } from './visible.ts'
