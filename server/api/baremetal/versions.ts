/** Microversions of the Bare Metal API: negotiation by header, and the headers that tell the outcome. */
import { LeaseholdError } from '../../errors.ts'
import { RoutingError } from './errors.ts'

/** Versions 1.1 to 1.115 are served; everywhere here a version is its minor number. */
export const minimumVersion = 1
export const maximumVersion = 115

export const versionHeader = 'x-openstack-ironic-api-version'
const range = `[1.${minimumVersion}, 1.${maximumVersion}]`

/**
 * The minor version that a request asks for: its own header, or the generic one of the API working group. Absent
 * means the oldest, `latest` the newest.
 * @throws LeaseholdError 'not-acceptable' in Ironic's words.
 */
export function negotiate(own: string | undefined, generic: string | undefined): number {
  const asked = (own ?? /(?:^|,)\s*baremetal\s+([^\s,]+)/i.exec(generic ?? '')?.[1] ?? '').trim()
  if (asked === '') return minimumVersion
  if (asked.toLowerCase() === 'latest') return maximumVersion
  const match = /^(\d{1,9})\.(\d{1,9})$/.exec(asked)
  if (!match)
    throw new RoutingError('not-acceptable', 'Invalid value for X-OpenStack-Ironic-API-Version header')
  const [major, minor] = [Number(match[1]), Number(match[2])]
  if (major !== 1)
    throw new RoutingError(
      'not-acceptable',
      `Mutually exclusive versions requested. Version ${asked} requested but not supported by this service. The supported version range is: ${range}.`,
    )
  if (minor < minimumVersion || minor > maximumVersion)
    throw new RoutingError(
      'not-acceptable',
      `Version ${asked} was requested but the minor version is not supported by this service. The supported version range is: ${range}.`,
    )
  return minor
}

/** Headers of every answer; the negotiated version only once there is one. */
export const versionHeaders = (version: number | undefined): Record<string, string> => ({
  'x-openstack-ironic-api-minimum-version': `1.${minimumVersion}`,
  'x-openstack-ironic-api-maximum-version': `1.${maximumVersion}`,
  ...(version === undefined ? {} : { [versionHeader]: `1.${version}` }),
})

/** What a caller with too old a version gets for a newer field, filter or verb. */
export const notAcceptable = (since?: number): LeaseholdError =>
  new LeaseholdError(
    'not-acceptable',
    since === undefined
      ? 'Request not acceptable.'
      : `Request not acceptable. The minimal required API version should be 1.${since}`,
  )
