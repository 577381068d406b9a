/** The oslo.policy language: parse, check at load, evaluate and explain access rules. */
export { type Attributes, nearest, type UnknownAttribute, unknownAttributes } from './attributes.ts'
export { type Check, printCheck, type Template } from './check.ts'
export { PolicyError, PolicySyntaxError } from './errors.ts'
export { type Explanation, renderExplanation } from './explain.ts'
export { type CheckSource, maxNesting, parseCheck } from './parse.ts'
export {
  type Decision,
  loadRules,
  maxChecks,
  maxReferenceDepth,
  type RuleDefinition,
  type RuleOptions,
  type RuleSet,
  referencesOf,
  type Scope,
  type Verdict,
} from './rules.ts'
export type { Credentials, Target } from './values.ts'
