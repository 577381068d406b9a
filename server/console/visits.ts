/** Who looked at a console, typed there and left, for the audit. */
import type { Logger } from 'pino'
import { createRecorder } from '../audit/index.ts'
import type { Db } from '../store/index.ts'
import type { Held } from './consoles.sql.ts'
import type { Visitor } from './types.ts'

export type RecordVisit = (visitor: Visitor, what: string, held: Held) => void

/** Records without anybody waiting for it; what cannot be recorded is in the log. */
export function visitRecorder(db: Db, log: Logger): RecordVisit {
  const recorder = createRecorder(db)
  return ({ caller, door, address }, what, { node, span }) =>
    void recorder
      .record({
        request_id: `console-${door}`,
        user_id: caller.userId,
        project_id: caller.projectId,
        system_scope: caller.systemScope === 'all',
        action: `CONSOLE ${what}`,
        path: `/v1/nodes/${node.uuid}/console`,
        target_type: 'node',
        target_uuid: node.uuid,
        node_uuid: node.uuid,
        owner: span.owner,
        lessee: span.lessee,
        outcome: 'allowed',
        status: 200,
        reason: `from ${address}`,
      })
      .catch((error: unknown) =>
        log.error({ err: error }, 'audit: a console’s visitor could not be recorded'),
      )
}
