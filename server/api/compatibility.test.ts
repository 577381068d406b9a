/** Every route of Ironic is there since the version it is there; the list is Ironic's, written out, not made from ours. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { defaultConfig } from '../config.ts'
import { baremetalRoutes } from './app.ts'
import { compatibilityTable } from './compatibility.ts'
import type { ApiDeps } from './deps.ts'

/** Method, path and first microversion (1 when left out). */
const ironic = `
GET /nodes
GET /nodes/detail
POST /nodes
GET /nodes/X
PATCH /nodes/X
DELETE /nodes/X
GET /nodes/X/validate
GET /nodes/validate
PUT /nodes/X/maintenance
DELETE /nodes/X/maintenance
GET /nodes/X/states
PUT /nodes/X/states/power
PUT /nodes/X/states/provision
PUT /nodes/X/states/raid 12
PUT /nodes/X/states/boot_mode 76
PUT /nodes/X/states/secure_boot 76
GET /nodes/X/states/console
PUT /nodes/X/states/console
GET /nodes/X/management/boot_device
PUT /nodes/X/management/boot_device
GET /nodes/X/management/boot_device/supported
GET /nodes/X/management/indicators 63
GET /nodes/X/management/indicators/X 63
PUT /nodes/X/management/indicators/X 63
PUT /nodes/X/management/inject_nmi 29
GET /nodes/X/vendor_passthru/methods
GET /nodes/X/vendor_passthru
POST /nodes/X/vendor_passthru
PUT /nodes/X/vendor_passthru
PATCH /nodes/X/vendor_passthru
DELETE /nodes/X/vendor_passthru
GET /nodes/X/traits 37
PUT /nodes/X/traits 37
PUT /nodes/X/traits/X 37
DELETE /nodes/X/traits 37
DELETE /nodes/X/traits/X 37
GET /nodes/X/vifs 28
POST /nodes/X/vifs 28
DELETE /nodes/X/vifs/X 28
GET /nodes/X/bios 40
GET /nodes/X/bios/X 40
GET /nodes/X/firmware 86
GET /nodes/X/vmedia 93
POST /nodes/X/vmedia 89
DELETE /nodes/X/vmedia 89
GET /nodes/X/history 78
GET /nodes/X/history/X 78
GET /nodes/X/inventory 81
GET /nodes/X/children 83
GET /nodes/X/allocation 52
DELETE /nodes/X/allocation 52
GET /nodes/X/ports
GET /nodes/X/ports/detail
GET /nodes/X/portgroups 24
GET /nodes/X/portgroups/detail 24
GET /nodes/X/volume 32
GET /nodes/X/volume/connectors 32
GET /nodes/X/volume/targets 32
GET /chassis
GET /chassis/detail
GET /chassis/X
POST /chassis
PATCH /chassis/X
DELETE /chassis/X
GET /chassis/X/nodes
GET /chassis/X/nodes/detail
GET /ports
GET /ports/detail
GET /ports/X
POST /ports
PATCH /ports/X
DELETE /ports/X
GET /portgroups 23
GET /portgroups/detail 23
GET /portgroups/X 23
POST /portgroups 23
PATCH /portgroups/X 23
DELETE /portgroups/X 23
GET /portgroups/X/ports 24
GET /portgroups/X/ports/detail 24
GET /volume 32
GET /volume/connectors 32
POST /volume/connectors 32
GET /volume/connectors/X 32
PATCH /volume/connectors/X 32
DELETE /volume/connectors/X 32
GET /volume/targets 32
POST /volume/targets 32
GET /volume/targets/X 32
PATCH /volume/targets/X 32
DELETE /volume/targets/X 32
GET /drivers
GET /drivers/X
GET /drivers/X/properties
GET /drivers/X/raid/logical_disk_properties 12
GET /drivers/X/vendor_passthru/methods
GET /drivers/X/vendor_passthru
POST /drivers/X/vendor_passthru
PUT /drivers/X/vendor_passthru
PATCH /drivers/X/vendor_passthru
DELETE /drivers/X/vendor_passthru
GET /conductors 49
GET /conductors/X 49
GET /allocations 52
POST /allocations 52
GET /allocations/X 52
PATCH /allocations/X 57
DELETE /allocations/X 52
POST /events 54
GET /deploy_templates 55
GET /deploy_templates/X 55
POST /deploy_templates 55
PATCH /deploy_templates/X 55
DELETE /deploy_templates/X 55
GET /shards 82
GET /runbooks 92
GET /runbooks/X 92
POST /runbooks 92
PATCH /runbooks/X 92
DELETE /runbooks/X 92
GET /runbooks/X/traits 112
PUT /runbooks/X/traits 112
PUT /runbooks/X/traits/X 112
DELETE /runbooks/X/traits 112
DELETE /runbooks/X/traits/X 112
GET /inspection_rules 96
GET /inspection_rules/X 96
POST /inspection_rules 96
PATCH /inspection_rules/X 96
DELETE /inspection_rules/X 96
DELETE /inspection_rules 96
GET /lookup 22
POST /heartbeat/X 22
POST /continue_inspection
`
  .trim()
  .split('\n')

const routes = baremetalRoutes({ config: defaultConfig() } as ApiDeps)
const ours = new Set(
  routes.map(
    (route) =>
      `${route.method} ${route.path.replace(/:\w+/g, 'X')}${route.since && route.since > 1 ? ` ${route.since}` : ''}`,
  ),
)

it.each(ironic)('%s', (route) => {
  expect(ours).toContain(route)
})

it('the page has every route, as the rows say it', () => {
  const page = readFileSync(new URL('../../docs/compatibility.md', import.meta.url), 'utf8')
  expect(page, 'draw it anew: node server/api/compatibility.ts').toContain(compatibilityTable(routes))
})
