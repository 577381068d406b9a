/** Checks a value by its TypeBox schema, with an error that names the field and says what it must be. */
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { LeaseholdError } from '../errors.ts'

type Problem = { instancePath: string; message: string; keyword: string; params: unknown }

/** Makes the check of a schema. @returns a function that throws LeaseholdError 'invalid'. */
export function validatorOf(schema: TSchema): (value: unknown) => void {
  const compiled = Compile(schema)
  return (value) => {
    if (compiled.Check(value)) return
    throw new LeaseholdError('invalid', `Schema error: ${explain(compiled.Errors(value) as Problem[])}`)
  }
}

/** The problem that says most: an unknown field first, else the deepest, and what each alternative wants. */
function explain(problems: readonly Problem[]): string {
  const unknown = problems.find((problem) => problem.keyword === 'additionalProperties')
  const names = (unknown?.params as { additionalProperties?: string[] } | undefined)?.additionalProperties
  if (unknown && names?.length)
    return `${at(unknown.instancePath)}Additional properties are not allowed (${names.slice(0, 10).map(quote).join(', ')} ${names.length === 1 ? 'was' : 'were'} unexpected)`
  const missing = problems.find((problem) => problem.keyword === 'required')
  const needed = (missing?.params as { requiredProperties?: string[] } | undefined)?.requiredProperties
  if (missing && needed?.length)
    return `${at(missing.instancePath)}${needed.map(quote).join(', ')} is a required property`
  const alternatives = problems.filter(
    (problem) => !['anyOf', 'boolean', 'additionalProperties'].includes(problem.keyword),
  )
  const path = (alternatives[0] ?? problems[0])?.instancePath ?? ''
  const wants = [
    ...new Set(
      alternatives.filter((problem) => problem.instancePath === path).map((problem) => wording(problem)),
    ),
  ]
  return `${at(path)}${wants.join(' or ') || 'is not valid'}`
}

const wording = (problem: Problem): string => {
  const params = problem.params as Record<string, unknown>
  if (problem.keyword === 'const') return `must be ${JSON.stringify(params.allowedValue)}`
  return problem.message
}

const at = (path: string): string =>
  path === '' ? '' : `${path.slice(1).replaceAll('/', '.').slice(0, 200)}: `
const quote = (name: string): string => `'${name.slice(0, 100)}'`
