/** Inspection rules: checked when they are written, applied when an inspection has found something. */
export { applyInspectionRules, type Inspected, type RuleChanges } from './apply.ts'
export { InspectionRuleError } from './budget.ts'
export { checkInspectionRule } from './check.ts'
