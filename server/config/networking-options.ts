/** Options of networks: ours, and those of a cloud's Neutron. */
import { flag, integer, oneOf, option, optionalPath, optionalText, url } from './kinds.ts'

export const networkingOptions = {
  'networking.provider': option(
    oneOf('local', 'neutron'),
    'local',
    "who holds networks and ports: this service, or the cloud's Neutron; the latter needs auth.strategy keystone",
  ),
  'networking.key_file': option(
    optionalPath,
    undefined,
    "key that switches' credentials are sealed with, made at the first start; DATA/networking.key when left out",
  ),
  'networking.provisioning_network': option(
    optionalText,
    undefined,
    "the operator's network, by name or UUID (of a Neutron: by UUID), for nodes that are deployed; they stay isolated when left out",
  ),
  'networking.cleaning_network': option(
    optionalText,
    undefined,
    'the same for nodes that are cleaned; they stay isolated when left out',
  ),
  'networking.rescuing_network': option(
    optionalText,
    undefined,
    'the same for nodes that are rescued; they stay in their tenant’s networks when left out',
  ),
  'networking.inspection_network': option(
    optionalText,
    undefined,
    'the same for nodes that are inspected; their switch ports are left alone when left out',
  ),
  'networking.poll_seconds': option(
    integer(1, 86_400),
    60,
    'how often a switch that does not tell of changes is read, to find what others have changed, seconds',
  ),
  'networking.repair_drift': option(flag, true, 'puts back what others have changed of a switch port'),
  'networking.isolation_timeout_seconds': option(
    integer(1, 3600),
    60,
    'how long a switch port may take to be verified idle before its node is put into maintenance, seconds',
  ),
  'networking.retry_ms': option(
    integer(10, 600_000),
    1000,
    'wait before a switch is tried again, milliseconds; doubled each time, up to 30 s',
  ),
  'networking.switches_file': option(
    optionalPath,
    undefined,
    'YAML with switches, their ports and VLAN pools, which are put into the database at each start',
  ),
  'networking.quota_networks': option(integer(0), 100, 'networks of one project at most'),
  'networking.quota_ports': option(integer(0), 500, 'ports of networks of one project at most'),
  'neutron.url': option(
    url,
    undefined,
    'Neutron, such as https://neutron.example.org:9696; found in the catalog of Keystone when left out',
  ),
  'neutron.region': option(
    optionalText,
    undefined,
    'region of the Neutron in the catalog; the first when left out',
  ),
  'neutron.timeout_seconds': option(integer(1, 300), 30, 'how long Neutron may take to answer, seconds'),
} as const
