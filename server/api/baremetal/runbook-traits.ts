/** The traits of a runbook: a node that has one of them may be worked on by it. */
import { Type } from 'typebox'
import { LeaseholdError } from '../../errors.ts'
import { changeRunbook, type Runbook } from '../../inventory/index.ts'
import type { ApiDeps } from '../deps.ts'
import { checkTrait } from './node-traits.ts'
import type { Call, Route } from './routes.ts'
import { absentRunbook, requireRunbookRules, runbookFor } from './runbook-access.ts'
import { runbookTraitsSince } from './runbook-fields.ts'

const invalid = (message: string): LeaseholdError => new LeaseholdError('invalid', message)
const ident = (call: Call): string => call.params.runbook as string
/** As many as a node may have. */
const maximumTraits = 50

export function runbookTraitRoutes(deps: ApiDeps): Route[] {
  const path = '/runbooks/:runbook/traits'
  const common = { since: runbookTraitsSince, below: 404 } as const
  const changing = { ...common, rules: ['baremetal:runbook:update'], ok: 204 } as const
  const write = async (call: Call, change: (now: readonly string[]) => string[]): Promise<Runbook> => {
    const rules = changing.rules
    const { uuid } = await runbookFor(deps, call, ident(call), rules)
    const runbook = await changeRunbook(deps.db, uuid, (row) => {
      requireRunbookRules(deps, call, row, rules)
      const traits = [...new Set(change(row.traits))].sort()
      if (traits.length > maximumTraits)
        throw invalid(`A runbook has at most ${maximumTraits} traits, not ${traits.length}.`)
      return { traits }
    })
    if (!runbook) throw absentRunbook(ident(call))
    return runbook
  }
  return [
    {
      ...common,
      method: 'GET',
      path,
      summary: "List a runbook's traits",
      rules: ['baremetal:runbook:get'],
      ok: 200,
      handler: async (call) => ({
        traits: (await runbookFor(deps, call, ident(call), ['baremetal:runbook:get'])).traits,
      }),
    },
    {
      ...changing,
      method: 'PUT',
      path,
      summary: "Replace a runbook's traits",
      body: Type.Object(
        { traits: Type.Array(Type.String({ maxLength: 255 }), { maxItems: 1000 }) },
        { additionalProperties: false },
      ),
      handler: async (call) => {
        const { traits } = call.body as { traits: string[] }
        traits.forEach(checkTrait)
        await write(call, () => traits)
      },
    },
    {
      ...changing,
      method: 'DELETE',
      path,
      summary: "Remove all of a runbook's traits",
      handler: async (call) => {
        await write(call, () => [])
      },
    },
    {
      ...changing,
      method: 'PUT',
      path: `${path}/:trait`,
      summary: 'Add a trait to a runbook',
      handler: async (call) => {
        const trait = call.params.trait as string
        if (call.body !== undefined && call.body !== null)
          throw invalid('A trait in the path goes without a body.')
        checkTrait(trait)
        const runbook = await write(call, (now) => [...now, trait])
        call.reply.header('location', `${call.base}/v1/runbooks/${runbook.uuid}/traits/${trait}`)
      },
    },
    {
      ...changing,
      method: 'DELETE',
      path: `${path}/:trait`,
      summary: 'Remove a trait from a runbook',
      handler: async (call) => {
        await write(call, (now) => now.filter((each) => each !== call.params.trait))
      },
    },
  ]
}
