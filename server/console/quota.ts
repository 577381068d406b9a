/** So many of one project, and no more: what a process has for all of them is not used up by one. */
import type { Caller } from '../access/index.ts'
import { LeaseholdError } from '../errors.ts'

/** Counts somebody in, and answers with how to count them out. @throws LeaseholdError 'too-many' */
export type Quota = (caller: Pick<Caller, 'projectId'>) => () => void

/**
 * @param what they are, for who is told that there are too many
 * @param option that says how many a project may have; who speaks for no project is the operator, and not counted
 */
export function createQuota(most: number, what: string, option: string): Quota {
  const counts = new Map<string, number>()
  return ({ projectId }) => {
    if (projectId === null) return () => {}
    const count = counts.get(projectId) ?? 0
    if (count >= most)
      throw new LeaseholdError(
        'too-many',
        `Project ${projectId} has ${count} ${what} here, as many as it may (${option}); close one first.`,
      )
    counts.set(projectId, count + 1)
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      const left = (counts.get(projectId) ?? 1) - 1
      if (left > 0) counts.set(projectId, left)
      else counts.delete(projectId)
    }
  }
}
