/** Writes bindings back to Neutron: which node has a port, by which switch port, with which address; or none has. */
import type { Logger } from 'pino'
import type { Config } from '../../config.ts'
import { messageOf } from '../../errors.ts'
import type { Db } from '../../store/index.ts'
import { type Binding, noteUnwritten, noteWritten, takeDueBindings } from './bindings.sql.ts'
import type { NeutronClient } from './neutron.ts'

export interface UpstreamDeps {
  db: Db
  config: Config
  log: Logger
  neutron: NeutronClient
}

const turnMs = 1_000
/** Bindings that are written at once. */
const atOnce = 8
const mostRetryMs = 60_000

export function startWriting({ db, config, log, neutron }: UpstreamDeps) {
  return repeat(log, turnMs, async (stopping) => {
    // An attempt is two requests, and a login.
    const forMs = 3 * config['neutron.timeout_seconds'] * 1000
    while (!stopping()) {
      const due = await takeDueBindings(db, forMs, atOnce)
      await Promise.all(due.map(write))
      if (due.length < atOnce) return
    }
  })

  async function write(binding: Binding): Promise<void> {
    try {
      await tell(neutron, binding)
      await noteWritten(db, binding)
    } catch (error) {
      // Of a port that is not found, too: whether it is gone is judged where copies are compared.
      const reason = messageOf(error)
      log.warn({ port: binding.port, node: binding.host, reason }, 'a binding is not in Neutron yet')
      const first = config['networking.retry_ms']
      await noteUnwritten(db, binding, reason, { first, most: mostRetryMs })
    }
  }
}

const unbound = { 'binding:host_id': '', 'binding:profile': {} }

/** As Ironic does it. */
async function tell(neutron: NeutronClient, binding: Binding): Promise<void> {
  const { port, host, vnicType, profile, address, attempts } = binding
  // Neutron changes no address of a port that it has bound.
  if (host === '' || attempts > 0) await neutron.updatePort(port, unbound)
  // The machine's address is given back, or the next port on that machine could not have it.
  if (host === '') return neutron.updatePort(port, { mac_address: null })
  await neutron.updatePort(port, {
    'binding:host_id': host,
    'binding:vnic_type': vnicType,
    'binding:profile': profile,
    ...(address === null ? {} : { mac_address: address }),
  })
}

/** Does something again and again: at once when woken, never twice at a time. Failures are logged and tried again. */
export function repeat(log: Logger, everyMs: number, turn: (stopping: () => boolean) => Promise<void>) {
  let timer: NodeJS.Timeout | undefined
  let current: Promise<void> | undefined
  let again = false
  let stopped = false
  const look = () => {
    if (stopped) return
    if (current) {
      again = true
      return
    }
    clearTimeout(timer)
    again = false
    current = turn(() => stopped)
      .catch((error: unknown) => {
        if (!stopped) log.warn({ reason: messageOf(error) }, 'Neutron could not be looked after; tried again')
      })
      .then(() => {
        current = undefined
        if (!stopped) timer = setTimeout(look, again ? 0 : everyMs * (0.9 + 0.2 * Math.random()))
      })
  }
  look()
  return {
    wake: look,
    async stop() {
      stopped = true
      clearTimeout(timer)
      await current
    },
  }
}
