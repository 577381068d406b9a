/** What the parts of the conformance suite share. */
import { SwitchError } from '../errors.ts'
import type { Switch, SwitchOptions } from '../types.ts'
import type { SimulatedSwitch } from './device.ts'

export type Bench = {
  device: () => SimulatedSwitch
  /** A switch with the suite's guard, closed after the test. */
  open: (options?: Partial<SwitchOptions>, target?: Parameters<SimulatedSwitch['target']>[0]) => Switch
}

/** The error that a promise must end with. */
export async function failure(promise: Promise<unknown>): Promise<SwitchError> {
  const error = await promise.then(
    (value) => new Error(`succeeded with ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof SwitchError)) throw error
  return error
}
