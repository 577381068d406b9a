/** Looking at nodes, and waiting for them, in tests. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Node } from '../../hardware/index.ts'
import type { Db } from '../../store/index.ts'
import { isState, states } from '../states.ts'

export const readNode = (db: Db, uuid: string): Promise<Node> =>
  db.selectFrom('nodes').selectAll().where('uuid', '=', uuid).executeTakeFirstOrThrow()

/** The node once nobody works on it. @throws Error when that takes too long. */
export async function settled(db: Db, uuid: string, timeoutMs = 15_000): Promise<Node> {
  for (const end = Date.now() + timeoutMs; ; ) {
    const node = await readNode(db, uuid)
    if (node.reservation === null && !isBusy(node)) return node
    if (Date.now() > end)
      throw new Error(`Node is stuck in ${node.provision_state}, locked by ${node.reservation}`)
    await sleep(20)
  }
}

export const isBusy = (node: Node): boolean =>
  isState(node.provision_state) && states[node.provision_state].kind === 'busy'

/** What history tells of a node, the oldest first. */
export const historyOf = (db: Db, uuid: string) =>
  db.selectFrom('node_history').selectAll().where('node_uuid', '=', uuid).orderBy('id').execute()

/** Waits for something to be true. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, timeoutMs = 15_000) {
  for (const end = Date.now() + timeoutMs; !(await isSo()); await sleep(10))
    if (Date.now() > end) throw new Error(`Has not happened within ${timeoutMs} ms: ${what}`)
}
