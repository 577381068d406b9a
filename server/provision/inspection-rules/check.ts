/** Whether an inspection rule can be applied at all, asked when it is written. */
import { LeaseholdError } from '../../errors.ts'
import type { InspectionRule } from '../../inventory/index.ts'
import { actions, apiCallRefused } from './actions.ts'
import { operatorOf } from './apply.ts'
import { InspectionRuleError } from './budget.ts'
import { member } from './json.ts'
import { operators } from './operators.ts'
import { checkRegex } from './regex.ts'
import { argumentsOf, type Signature } from './signature.ts'

type Parts = Pick<InspectionRule, 'conditions' | 'actions'>

/** @throws LeaseholdError 'invalid' naming the condition or action, and what is wrong with it. */
export function checkInspectionRule(rule: Parts): void {
  for (const [index, condition] of rule.conditions.entries())
    naming(`conditions.${index}`, () => {
      const { name } = operatorOf(condition.op)
      const args = argumentsOf(known(operators, name, 'operator'), condition.args)
      if ('regex' in args) checkRegex(args.regex)
    })
  for (const [index, action] of rule.actions.entries())
    naming(`actions.${index}`, () => {
      argumentsOf(known(actions, action.op, 'action'), action.args)
      if (action.op === 'api-call') throw new InspectionRuleError(apiCallRefused)
    })
}

function known<Row extends Signature>(table: Readonly<Record<string, Row>>, name: string, what: string): Row {
  const row = member(table, name) as Row | undefined
  if (row) return row
  throw new InspectionRuleError(
    `unsupported ${what} "${name.slice(0, 100)}"; there are ${Object.keys(table).join(', ')}`,
  )
}

function naming(where: string, check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof InspectionRuleError)) throw error
    throw new LeaseholdError('invalid', `${where}: ${error.message}`, { cause: error })
  }
}
