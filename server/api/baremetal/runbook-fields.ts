/** The fields of a runbook, one row each, and what callers say of a runbook made into columns. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import type { Runbook, RunbookChanges } from '../../inventory/index.ts'
import { validatorOf } from '../validate.ts'
import {
  anyObject,
  asBoolean,
  createSchema,
  type Field,
  looseBoolean,
  nullable,
  object,
  plain,
  time,
} from './fields.ts'
import { logicalNamePattern, normalUuid } from './identifiers.ts'
import { checkTrait } from './node-traits.ts'
import { type GivenStep, runbookStepsSchema, showSteps, stepsColumn } from './stored-steps.ts'

export const runbooksSince = 92
/** Since here a runbook has traits, a free name and a description; before, its name is the trait. */
export const runbookTraitsSince = 112
const since = runbooksSince
const settable = { create: true, patch: true } as const
const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)

export const runbookFields: readonly Field<Runbook>[] = [
  plain('uuid', since, { schema: nullable(Type.String({ maxLength: 45 })), create: true }),
  plain('name', since, { schema: Type.String({ pattern: logicalNamePattern }), ...settable }),
  {
    name: 'steps',
    since,
    columns: ['steps'],
    show: (runbook) => showSteps(runbook.steps),
    schema: runbookStepsSchema,
    ...settable,
  },
  plain('disable_ramdisk', since, { schema: nullable(looseBoolean), cleared: false, ...settable }),
  object('extra', since, { schema: nullable(anyObject), ...settable }),
  plain('public', since, { schema: nullable(looseBoolean), cleared: false, ...settable }),
  plain('owner', since, { schema: nullable(Type.String({ maxLength: 255 })), ...settable }),
  plain('description', runbookTraitsSince, {
    schema: nullable(Type.String({ maxLength: 255 })),
    ...settable,
  }),
  { name: 'traits', since: runbookTraitsSince, columns: ['traits'], show: (runbook) => runbook.traits },
  time('created_at', since),
  time('updated_at', since),
]

export const runbookListFields = ['uuid', 'name']
export const runbookCreateBody = createSchema(runbookFields, ['name', 'steps'])

const checkPatched = validatorOf(
  Type.Object(
    Object.fromEntries(
      runbookFields.flatMap((field) => (field.patch && field.schema ? [[field.name, field.schema]] : [])),
    ),
  ),
)

/**
 * The columns of fields that a caller gave, all of which are there when the runbook is new.
 * @throws LeaseholdError 'invalid' naming the field.
 */
export function runbookColumns(given: Readonly<Record<string, unknown>>): RunbookChanges {
  const columns: RunbookChanges = {}
  if ('name' in given) columns.name = given.name as string
  if ('steps' in given) columns.steps = stepsColumn(given.steps as GivenStep[], 'order')
  if ('extra' in given) columns.extra = JSON.stringify(given.extra ?? {})
  for (const name of ['public', 'disable_ramdisk'] as const)
    if (name in given) columns[name] = asBoolean(given[name])
  for (const name of ['owner', 'description'] as const)
    if (name in given) columns[name] = (given[name] as string | null | undefined) || null
  return columns
}

/** A runbook's fields as JSON PATCH works on them: with the secrets that answers do not have. */
export function patchable(runbook: Runbook): Record<string, unknown> {
  const { name, steps, disable_ramdisk, extra, public: isPublic, owner, description } = runbook
  return { name, steps, disable_ramdisk, extra, public: isPublic, owner, description }
}

/** @throws LeaseholdError 'invalid' when a patch has made of a runbook what none can be. */
export function checkRunbook(fields: Readonly<Record<string, unknown>>): void {
  checkPatched(fields)
  checkRunbookName(fields.name as string, runbookTraitsSince)
}

/** @throws LeaseholdError 'invalid' for a name that no runbook can have, or not at this version. */
export function checkRunbookName(name: string, version: number): void {
  if (normalUuid(name))
    throw invalid(`The runbook name "${name}" looks like a UUID; choose a name that does not.`)
  if (version >= runbookTraitsSince) return
  try {
    checkTrait(name)
  } catch (error) {
    throw invalid(`Before 1.${runbookTraitsSince} a runbook's name is a trait. ${(error as Error).message}`)
  }
}
