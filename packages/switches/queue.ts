/** A queue that runs what gathered in one go: waits a moment after the first, bounded in length and in time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { asSwitchError, SwitchError } from './errors.ts'

export type Task<Job, Answer> = {
  job: Job
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
}

export type Queue<Job, Answer> = {
  add: (job: Job) => Promise<Answer>
  /** Refuses what waits, and waits for what runs. */
  close: () => Promise<void>
}

export type QueueOptions<Job, Answer> = {
  gatherMs: number
  limit: number
  timeoutMs: number
  /** Whether two jobs may run in one go. A job never overtakes one that it must not be together with. */
  together: (a: Job, b: Job) => boolean
  /** Must settle every task; those it leaves are refused with its error. */
  run: (tasks: readonly Task<Job, Answer>[]) => Promise<void>
}

type Waiting<Job, Answer> = Task<Job, Answer> & { timer: NodeJS.Timeout; settled: boolean }

export function createQueue<Job, Answer>(options: QueueOptions<Job, Answer>): Queue<Job, Answer> {
  let waiting: Waiting<Job, Answer>[] = []
  let running: Promise<void> | undefined
  let closed = false

  function add(job: Job): Promise<Answer> {
    if (closed) return Promise.reject(new SwitchError('unreachable', 'the switch was closed'))
    if (waiting.length >= options.limit)
      return Promise.reject(new SwitchError('busy', `${waiting.length} changes wait already`))
    return new Promise<Answer>((resolve, reject) => {
      const task: Waiting<Job, Answer> = {
        job,
        settled: false,
        resolve: (answer) => settle(task, () => resolve(answer)),
        reject: (error) => settle(task, () => reject(error)),
        timer: setTimeout(() => {
          waiting = waiting.filter((other) => other !== task)
          task.reject(
            new SwitchError('timeout', `waited ${options.timeoutMs} ms for its turn; nothing was done`),
          )
        }, options.timeoutMs),
      }
      waiting.push(task)
      running ??= drain()
    })
  }

  async function drain(): Promise<void> {
    await sleep(options.gatherMs)
    while (waiting.length > 0) {
      const tasks = take()
      for (const task of tasks) clearTimeout(task.timer)
      try {
        await options.run(tasks)
        for (const task of tasks)
          task.reject(new SwitchError('unreachable', 'the change was not carried out'))
      } catch (error) {
        const known = asSwitchError(error, 'the switch could not be reached')
        for (const task of tasks) task.reject(known)
      }
    }
    // In the same breath as the last look at the queue, so that no job can come in between and be forgotten.
    running = undefined
  }

  /** All that may run together, in order, up to the first that may not. */
  function take(): Waiting<Job, Answer>[] {
    const tasks: Waiting<Job, Answer>[] = []
    for (const task of waiting) {
      if (!tasks.every((other) => options.together(other.job, task.job))) break
      tasks.push(task)
    }
    waiting = waiting.slice(tasks.length)
    return tasks
  }

  async function close(): Promise<void> {
    closed = true
    const refused = waiting
    waiting = []
    for (const task of refused) task.reject(new SwitchError('unreachable', 'the switch was closed'))
    await running
  }

  return { add, close }
}

function settle<Job, Answer>(task: Waiting<Job, Answer>, finish: () => void): void {
  if (task.settled) return
  task.settled = true
  clearTimeout(task.timer)
  finish()
}
