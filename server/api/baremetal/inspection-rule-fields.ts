/** The fields of an inspection rule, one row each. What a sensitive rule consists of is shown to nobody. */
import { Type } from 'typebox'
import type { InspectionRule } from '../../inventory/index.ts'
import { asBoolean, type Field, looseBoolean, nullable, plain, time } from './fields.ts'

export const inspectionRulesSince = 96
const since = inspectionRulesSince
const settable = { create: true, patch: true } as const

const anyArguments = Type.Union([
  Type.Array(Type.Unknown(), { maxItems: 100 }),
  Type.Record(Type.String(), Type.Unknown()),
])
const common = {
  op: Type.String({ minLength: 1, maxLength: 64 }),
  args: anyArguments,
  loop: Type.Optional(
    Type.Union([
      Type.Array(Type.Unknown(), { maxItems: 1000 }),
      Type.Record(Type.String(), Type.Unknown()),
      Type.Null(),
    ]),
  ),
}
const conditions = Type.Array(
  Type.Object(
    {
      ...common,
      multiple: Type.Optional(Type.Union(['any', 'all', 'first', 'last'].map((name) => Type.Literal(name)))),
    },
    { additionalProperties: false },
  ),
  { maxItems: 100 },
)
const actions = Type.Array(Type.Object(common, { additionalProperties: false }), {
  minItems: 1,
  maxItems: 100,
})

export const inspectionRuleFields: readonly Field<InspectionRule>[] = [
  plain('uuid', since, { schema: nullable(Type.String({ maxLength: 45 })), create: true }),
  plain('priority', since, {
    // The command line sends a number's digits.
    schema: Type.Union([
      Type.Integer({ minimum: 0, maximum: 9999 }),
      Type.String({ pattern: '^[0-9]{1,4}$' }),
    ]),
    cleared: 0,
    ...settable,
  }),
  plain('description', since, { schema: nullable(Type.String({ maxLength: 255 })), ...settable }),
  plain('phase', since, {
    schema: nullable(Type.Literal('main')),
    cleared: 'main',
    ...settable,
  }),
  plain('sensitive', since, { schema: nullable(looseBoolean), cleared: false, ...settable }),
  {
    name: 'conditions',
    since,
    columns: ['conditions', 'sensitive'],
    show: (rule) => (rule.sensitive ? null : rule.conditions.map(showCondition)),
    // The command line says null when there are none.
    schema: nullable(conditions),
    cleared: [],
    ...settable,
  },
  {
    name: 'actions',
    since,
    columns: ['actions', 'sensitive'],
    show: (rule) =>
      rule.sensitive ? null : rule.actions.map(({ op, args, loop }) => ({ op, args, loop: loop ?? [] })),
    schema: actions,
    ...settable,
  },
  time('created_at', since),
  time('updated_at', since),
]

export const inspectionRuleListFields = ['uuid', 'priority', 'phase', 'description']

type Condition = InspectionRule['conditions'][number]

const showCondition = ({ op, args, loop, multiple }: Condition): Record<string, unknown> =>
  loop && Object.keys(loop).length > 0 ? { op, args, loop, multiple: multiple ?? 'any' } : { op, args }

/** A rule's fields as they are stored. */
export type RuleValues = Pick<
  InspectionRule,
  'priority' | 'description' | 'phase' | 'sensitive' | 'conditions' | 'actions'
>

/** What a caller gave, with what is left out. */
export function ruleValues(given: Readonly<Record<string, unknown>>): RuleValues {
  return {
    priority: Number(given.priority ?? 0),
    description: (given.description as string | null | undefined) ?? null,
    phase: 'main',
    sensitive: asBoolean(given.sensitive ?? false),
    conditions: (given.conditions as RuleValues['conditions'] | null | undefined) ?? [],
    actions: given.actions as RuleValues['actions'],
  }
}
