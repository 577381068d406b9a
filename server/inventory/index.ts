/** The resources of the Bare Metal API: what they are and how they are kept. */
export {
  type Conductor,
  type ConductorDirectory,
  conductorsFor,
  createConductorDirectory,
  requireConductor,
  responsibleFor,
} from './conductors.ts'
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
export type { Keyset } from './keyset.ts'
export { type LockOptions, lockedError, type NodeLock, releaseLock, takeLock, withLock } from './lock.ts'
export {
  type ChangeOptions,
  changeNode,
  childrenOf,
  deleteNode,
  findNode,
  insertNode,
  listNodes,
  type NewNode,
  type Node,
  type NodeChanges,
  type NodeColumn,
  type NodeFilters,
} from './nodes.sql.ts'
export {
  deletePort,
  findPort,
  insertPort,
  listPorts,
  type NewPort,
  type Port,
  type PortChanges,
  type PortColumn,
  type PortFilters,
  updatePort,
} from './ports.sql.ts'
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
export type { Visible } from './visible.ts'
