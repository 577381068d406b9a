/** Requests about switches and VLAN pools, by Leasehold's own rules. */
import { type Gate, type PolicyRequest, plain, set } from './request.ts'

const needs = (name: string): Gate => ({ rules: [`leasehold:${name}`], no: 403 })
const one = '/switches/:switch' as const
const pool = '/vlan_pools/:pool' as const

export const networkRequests: PolicyRequest[] = [
  plain('GET /switches', [needs('switch:get')], [200]),
  // Past the rules: there is one of that name.
  plain('POST /switches', [needs('switch:create')], [409], {
    body: { name: 'taken', driver: 'openvswitch', address: '127.0.0.1', quarantine_vlan: 999 },
  }),
  plain(`GET ${one}`, [needs('switch:get')], [200]),
  plain(`PATCH ${one}`, [needs('switch:update')], [200], { body: set('/quarantine_vlan', 999) }),
  plain(`DELETE ${one}`, [needs('switch:delete')], [409]),
  plain(`GET ${one}/ports`, [needs('switch:get')], [200]),
  plain(`GET ${one}/ports/:switchPort`, [needs('switch:get')], [200]),
  plain(`PUT ${one}/ports/:switchPort`, [needs('switch:update')], [200], { body: { kind: 'uplink' } }),
  plain(`DELETE ${one}/ports/:switchPort`, [needs('switch:update')], [204, 404]),
  plain('GET /vlan_pools', [needs('vlan_pool:get')], [200]),
  plain('POST /vlan_pools', [needs('vlan_pool:create')], [409], { body: { name: 'taken', ranges: '5' } }),
  plain(`GET ${pool}`, [needs('vlan_pool:get')], [200]),
  plain(`PATCH ${pool}`, [needs('vlan_pool:update')], [200], { body: set('/ranges', '100') }),
  // Past the rules: a VLAN of it is in use.
  plain(`DELETE ${pool}`, [needs('vlan_pool:delete')], [409]),
]
