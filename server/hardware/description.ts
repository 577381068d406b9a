/** What a hardware type offers, as GET /v1/drivers and the conductors' rows say it. */
import { unsupported } from './machine.ts'
import { hardwareType } from './registry.ts'
import {
  type DriverVendorMethod,
  type Hardware,
  type HardwareType,
  type InterfaceType,
  interfaceTypes,
} from './types.ts'

/** Per interface, the implementation that a node gets by default, and all that it may have. */
export type DriverInterfaces = Record<InterfaceType, { default: string; enabled: string[] }>

/** Every hardware type with its interfaces: the value of `conductors.drivers`. */
export function conductorDrivers(hardware: Hardware): Record<string, DriverInterfaces> {
  return Object.fromEntries([...hardware.types.values()].map((type) => [type.name, interfacesOf(type)]))
}

/**
 * The `driver_info` keys that a driver reads, with what each means: GET /v1/drivers/D/properties.
 * @throws LeaseholdError 'invalid' when there is no such hardware type.
 */
export function driverProperties(hardware: Hardware, driver: string): Record<string, string> {
  const type = hardwareType(hardware.types, driver)
  const properties = interfaceTypes.flatMap((each) =>
    type.interfaces[each].flatMap((implementation) => Object.entries(implementation.properties)),
  )
  return Object.fromEntries(properties.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * What a logical disk may say of itself, with what each means: GET /v1/drivers/D/raid/logical_disk_properties.
 * Undefined when the driver has no RAID.
 * @throws LeaseholdError 'invalid' when there is no such hardware type.
 */
export function raidProperties(
  hardware: Hardware,
  driver: string,
): Readonly<Record<string, string>> | undefined {
  return hardwareType(hardware.types, driver).interfaces.raid[0]?.logicalDiskProperties
}

/**
 * The vendor methods of a driver itself.
 * @throws LeaseholdError 'invalid' when it has none.
 */
export function driverVendorMethods(
  hardware: Hardware,
  driver: string,
): Readonly<Record<string, DriverVendorMethod>> {
  const [vendor] = hardwareType(hardware.types, driver).interfaces.vendor
  if (!vendor?.driverMethods) throw unsupported({ driver }, 'vendor_passthru')
  return vendor.driverMethods
}

function interfacesOf(type: HardwareType): DriverInterfaces {
  return Object.fromEntries(
    interfaceTypes.map((each) => {
      const enabled = type.interfaces[each].map((implementation) => implementation.name)
      return [each, { default: enabled[0], enabled }]
    }),
  ) as DriverInterfaces
}
