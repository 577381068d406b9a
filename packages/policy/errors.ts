/** What is wrong with a set of rules: found when they are loaded, never while a request is judged. */

/** A rule that cannot be used. `rule` names it; the message says what to change. */
export class PolicyError extends Error {
  readonly rule: string

  constructor(rule: string, message: string) {
    super(`rule "${rule}": ${message}`)
    this.name = 'PolicyError'
    this.rule = rule
  }
}

/** A check string that is not in the language. `column` counts characters from 1. */
export class PolicySyntaxError extends PolicyError {
  readonly column: number

  constructor(rule: string, column: number, message: string) {
    super(rule, `column ${column}: ${message}`)
    this.name = 'PolicySyntaxError'
    this.column = column
  }
}
