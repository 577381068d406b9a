/** Provisioning: the state machine of a node, and the durable workflows that move it. */
export { checkMaintenance, checkNode, checkOptions, checkOrder, checkPower, checkVerb } from './checks.ts'
export { applyInspectionRules, checkInspectionRule, InspectionRuleError } from './inspection-rules/index.ts'
export { every, type Loop } from './loop.ts'
export { createProvisioner } from './provisioner.ts'
export * from './states.ts'
export type * from './types.ts'
