/** One switch: a queue that gathers what arrives, reads once, guards each change, and writes all of them together. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Changer, createChanger } from './change.ts'
import { readState } from './converse.ts'
import { differences } from './differences.ts'
import { drivers } from './drivers.ts'
import { asSwitchError, SwitchError } from './errors.ts'
import { type Keeper, keeperOf } from './guard.ts'
import { createLink } from './link.ts'
import { createQueue, type Task } from './queue.ts'
import { collide, mergeTargets, targetOf, withLagRemovals } from './target.ts'
import type {
  Dialect,
  Difference,
  Driver,
  Plan,
  PortName,
  Result,
  Switch,
  SwitchOptions,
  SwitchState,
  SwitchTarget,
  Target,
  Wanted,
} from './types.ts'

type Read = { kind: 'read'; ports: readonly PortName[] | undefined }
type PlanJob = { kind: 'plan'; target: Target }
type Apply = { kind: 'apply'; target: Target }
type Job = Read | PlanJob | Apply
type Answer = SwitchState | Plan | Result
type ApplyTask = Task<Job, Answer> & { job: Apply }

/**
 * Opens a switch. Nothing is sent before the first call of `read`, `plan` or `apply`.
 *
 * @throws SwitchError 'invalid' for an unknown driver or a guard that cannot be read
 */
export function openSwitch(target: SwitchTarget, options: SwitchOptions, driver = driverOf(target)): Switch {
  const dialect = driver.dialectFor(target)
  const onEvent = options.onEvent ?? (() => undefined)
  const keeper = keeperOf(options.guard, dialect)
  const link = createLink(driver, target, {
    connectTimeoutMs: options.connectTimeoutMs ?? 15_000,
    idleSessionMs: options.idleSessionMs ?? 10_000,
    breakerFailures: options.breakerFailures ?? 3,
    breakerOpenMs: options.breakerOpenMs ?? 15_000,
    onEvent,
  })
  const commandTimeoutMs = options.commandTimeoutMs ?? 30_000
  const changer = createChanger({
    link,
    dialect,
    commandTimeoutMs,
    saveTimeoutMs: options.saveTimeoutMs ?? 120_000,
    save: options.save ?? true,
    journal: options.journal,
    onEvent,
  })

  const read = async (): Promise<SwitchState> => {
    const session = await link.session()
    try {
      return await readState(session, dialect, commandTimeoutMs)
    } catch (error) {
      // A kept session may have died unnoticed; reading again does no harm.
      if (!(error instanceof SwitchError) || error.code !== 'unreachable') throw error
      return readState(await link.session({ fresh: true }), dialect, commandTimeoutMs)
    }
  }
  const apply = batchApply({ dialect, keeper, changer, read, onEvent })

  const queue = createQueue<Job, Answer>({
    gatherMs: options.gatherMs ?? 10,
    limit: options.queueLimit ?? 1_000,
    timeoutMs: options.applyTimeoutMs ?? 120_000,
    together: (a, b) => a.kind !== 'apply' || b.kind !== 'apply' || !collide(a.target, b.target),
    run: async (tasks) => {
      const applies = tasks.filter((task): task is ApplyTask => task.job.kind === 'apply')
      await changer.inherit()
      const writes = applies.length > 0 || changer.inDebt()
      const release = writes ? await options.lease?.() : undefined
      try {
        if (writes) await changer.settleDebt()
        const state = await read()
        for (const task of tasks) answer(task, state)
        await apply(applies, state)
        await changer.settleInheritance()
      } finally {
        link.rest()
        await release?.()
      }
    },
  })

  function answer(task: Task<Job, Answer>, state: SwitchState): void {
    const { job } = task
    try {
      if (job.kind === 'read') task.resolve(pick(state, job.ports))
      else if (job.kind === 'plan') task.resolve(planOf(job.target, state, dialect, keeper))
    } catch (error) {
      task.reject(error)
    }
  }

  const admitted = (wanted: Wanted): Target => {
    const wantedTarget = targetOf(wanted, dialect)
    keeper.admit(wantedTarget)
    // Where VLANs need not be made, none are.
    const implicit = dialect.capabilities.vlans === 'implicit'
    return implicit ? { ...wantedTarget, vlans: [], removeVlans: [] } : wantedTarget
  }
  return {
    capabilities: dialect.capabilities,
    read: async (names) =>
      (await queue.add({ kind: 'read', ports: names?.map((name) => known(name, dialect)) })) as SwitchState,
    plan: async (wanted) => (await queue.add({ kind: 'plan', target: admitted(wanted) })) as Plan,
    apply: async (wanted) => (await queue.add({ kind: 'apply', target: admitted(wanted) })) as Result,
    watch: driver.transport.watches ? (onChange) => watch(driver, target, options, onChange) : undefined,
    close: async () => {
      await queue.close()
      await link.close()
    },
  }
}

type ApplyDeps = {
  dialect: Dialect
  keeper: Keeper
  changer: Changer
  read: () => Promise<SwitchState>
  onEvent: NonNullable<SwitchOptions['onEvent']>
}

/** Applies several changes as one; where the switch refuses, the ones at fault fail and the others are done without them. */
function batchApply({ dialect, keeper, changer, read, onEvent }: ApplyDeps) {
  return apply

  async function apply(tasks: readonly ApplyTask[], state: SwitchState, tries = 0): Promise<void> {
    const pending: { task: ApplyTask; changes: Difference[] }[] = []
    for (const task of tasks) {
      try {
        keeper.inspect(task.job.target, state)
        const target = withLagRemovals(task.job.target, state, keeper.mayRemoveLag)
        const changes = differences(state, target, dialect.lagName)
        if (changes.length > 0) pending.push({ task, changes })
        else task.resolve({ changes: [], verified: true, saved: await changer.settleSave() })
      } catch (error) {
        refuse([task], error)
      }
    }
    if (pending.length === 0) return
    const began = Date.now()
    const merged = mergeTargets(pending.map(({ task }) => task.job.target))
    try {
      const saved = await changer.carryOut(state, withLagRemovals(merged, state, keeper.mayRemoveLag))
      for (const { task, changes } of pending) task.resolve({ changes, verified: true, saved })
      const changes = pending.reduce((sum, one) => sum + one.changes.length, 0)
      onEvent({ event: 'applied', changes, ports: merged.ports.size, tookMs: Date.now() - began })
    } catch (thrown) {
      const error = asSwitchError(thrown, 'the change broke off')
      await again(
        pending.map(({ task }) => task),
        error,
        tries,
      )
    }
  }

  async function again(tasks: readonly ApplyTask[], error: SwitchError, tries: number): Promise<void> {
    const hopeless =
      error.restored !== true ||
      ['unreachable', 'timeout', 'auth', 'host-key', 'save-failed'].includes(error.code)
    if (error.code === 'busy' && error.restored === true && tries < 4) {
      await sleep(50 * 2 ** tries * (1 + Math.random()))
      return retry(tasks, tries + 1)
    }
    if (hopeless || tasks.length === 1) return refuse(tasks, error)
    const blamed = tasks.filter((task) => isAbout(error, task.job.target))
    onEvent({ event: 'split', ports: tasks.length })
    if (blamed.length > 0 && blamed.length < tasks.length) {
      if (blamed.length === 1) refuse(blamed, error)
      else await retry(blamed, tries)
      return retry(
        tasks.filter((task) => !blamed.includes(task)),
        tries,
      )
    }
    const middle = Math.ceil(tasks.length / 2)
    await retry(tasks.slice(0, middle), tries)
    await retry(tasks.slice(middle), tries)
  }

  async function retry(tasks: readonly ApplyTask[], tries: number): Promise<void> {
    try {
      await apply(tasks, await read(), tries)
    } catch (error) {
      refuse(tasks, error)
    }
  }

  function refuse(tasks: readonly ApplyTask[], error: unknown): void {
    const known = asSwitchError(error, 'the change broke off')
    onEvent({ event: 'refused', code: known.code, message: known.message })
    for (const task of tasks) task.reject(known)
  }
}

function isAbout(error: SwitchError, target: Target): boolean {
  const names = [...target.ports.keys(), ...target.vlans.map(({ id }) => `VLAN ${id}`)]
  return names.some((name) => error.port === name || error.differences.some(({ what }) => what === name))
}

function planOf(wanted: Target, state: SwitchState, dialect: Dialect, keeper: Keeper): Plan {
  keeper.inspect(wanted, state)
  const target = withLagRemovals(wanted, state, keeper.mayRemoveLag)
  const steps = dialect.diff(state, target)
  const requests = dialect.render(steps, { before: state, id: 'plan' })
  return {
    steps,
    lines: requests.map(({ line }) => line),
    differences: differences(state, target, dialect.lagName),
  }
}

function pick(state: SwitchState, names: readonly PortName[] | undefined): SwitchState {
  if (names === undefined) return state
  const ports = names.map((name) => {
    const port = state.ports.get(name)
    if (port === undefined)
      throw new SwitchError('unknown-port', `the switch has no port ${name}`, { port: name })
    return [name, port] as const
  })
  return { vlans: state.vlans, ports: new Map(ports) }
}

function known(name: string, { normalisePort }: Dialect): PortName {
  const normal = normalisePort(name)
  if (normal === null)
    throw new SwitchError('unknown-port', `no port of this switch can be called ${JSON.stringify(name)}`, {
      port: name,
    })
  return normal
}

function driverOf(target: SwitchTarget): Driver {
  const driver = drivers[target.driver]
  if (driver === undefined)
    throw new SwitchError(
      'invalid',
      `there is no switch driver ${JSON.stringify(target.driver)}; there are ${Object.keys(drivers).join(', ')}`,
    )
  return driver
}

async function watch(driver: Driver, target: SwitchTarget, options: SwitchOptions, onChange: () => void) {
  const session = await driver.transport.connect(target, { timeoutMs: options.connectTimeoutMs ?? 15_000 })
  const stop = await session.watch?.(onChange)
  return async () => {
    await stop?.()
    await session.close()
  }
}
