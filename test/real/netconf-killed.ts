/** A client that commits a change, reads it back, and is then killed by netconf.test.ts before it can confirm. */
import { describeMembership } from '../../packages/switches/differences.ts'
import { openconfig } from '../../packages/switches/openconfig/dialect.ts'
import { targetOf } from '../../packages/switches/target.ts'
import { netconfTransport } from '../../packages/switches/transports/netconf.ts'
import type { NetconfRequest } from '../../packages/switches/transports/netconf-messages.ts'

const target = JSON.parse(process.env.TARGET ?? '{}')
const dialect = openconfig(target)
const session = await netconfTransport({ requires: [] }).connect(target, { timeoutMs: 10_000 })
const say = async (requests: readonly NetconfRequest[] = []) => {
  const replies = await session.send(requests, (reply) => reply.errors.length === 0, { timeoutMs: 10_000 })
  if (replies.some(({ errors }) => errors.length > 0)) throw new Error(replies.at(-1)?.text)
  return replies
}
const read = async () => dialect.parseState(await say(dialect.readRequests()))
const before = await read()
const wanted = targetOf(
  { ports: { eth1: { mode: 'access', vlan: 200, adminUp: true, stpEdge: false } } },
  dialect,
)
await say(dialect.transaction?.begin?.('killed'))
await say(dialect.render(dialect.diff(before, wanted), { before, id: 'killed' }))
await say(dialect.transaction?.arm?.('killed'))
const eth1 = (await read()).ports.get('eth1')
process.stdout.write(`${eth1 && describeMembership(eth1.membership)}\n`)
setInterval(() => undefined, 1_000)
