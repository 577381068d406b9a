/** For those who run the service: whether it lives, whether it can work, and its metrics. */
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { countBindings, countLinks } from '../networking/index.ts'
import type { ApiDeps } from './deps.ts'

/** Adds `/healthz`, `/readyz` and `/metrics`. They tell nothing of any tenant. */
export function registerOperations(app: FastifyInstance, deps: ApiDeps): void {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const durations = new Histogram({
    name: 'leasehold_http_request_seconds',
    help: 'Time to answer, by method, route and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    registers: [registry],
  })
  new Gauge({
    name: 'leasehold_consoles',
    help: 'Consoles that this process keeps, by state.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      for (const [state, count] of Object.entries(deps.consoles.census().states)) this.set({ state }, count)
    },
  })
  new Gauge({
    name: 'leasehold_console_watchers',
    help: 'Watchers of consoles that this process keeps.',
    registers: [registry],
    collect() {
      this.set(deps.consoles.census().watchers)
    },
  })
  new Gauge({
    name: 'leasehold_switches',
    help: 'Switches that this process keeps, by whether they answer.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const { switches, unreachable } = deps.networking.census()
      this.set({ state: 'ok' }, switches - unreachable)
      this.set({ state: 'unreachable' }, unreachable)
    },
  })
  new Gauge({
    name: 'leasehold_switch_ports',
    help: 'Switch ports of nodes by how they are: as wanted, not yet, or changed by somebody else. Of all processes.',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      for (const [state, count] of Object.entries(await countLinks(deps.db))) this.set({ state }, count)
    },
  })
  if (deps.networking.upstream)
    new Gauge({
      name: 'leasehold_neutron_bindings',
      help: 'Bindings of ports in Neutron: written back, not yet, or refused or not answered. Of all processes.',
      labelNames: ['state'],
      registers: [registry],
      async collect() {
        for (const [state, count] of Object.entries(await countBindings(deps.db))) this.set({ state }, count)
      },
    })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none'
    durations.observe(
      { method: request.method, route, status: String(reply.statusCode) },
      reply.elapsedTime / 1000,
    )
  })
  app.get('/healthz', async () => ({ status: 'ok' }))
  app.get('/readyz', async (_request, reply) => {
    try {
      await sql`SELECT 1`.execute(deps.db)
      return { status: 'ok' }
    } catch {
      return reply.code(503).send({ status: 'no database' })
    }
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  )
}
