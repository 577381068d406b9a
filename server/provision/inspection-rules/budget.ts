/** Bounds on what the inspection rules of one inspection may cost, whatever a machine reports of itself. */

/** Why a rule could not be applied, or what its `fail` action says. */
export class InspectionRuleError extends Error {}

export interface Budget {
  /** Arguments formatted, conditions checked and actions done. */
  operations: number
  /** Characters written by formatting. */
  characters: number
  /** Time in regular expressions, milliseconds. */
  regexMs: number
}

export const newBudget = (): Budget => ({ operations: 200_000, characters: 8 * 2 ** 20, regexMs: 1_000 })

/** @throws InspectionRuleError when it is used up. */
export function spend(budget: Budget, what: keyof Budget, amount: number): void {
  budget[what] -= amount
  if (budget[what] < 0)
    throw new InspectionRuleError(
      `the rules cost too much (${what}): make loops, texts or regular expressions smaller`,
    )
}
