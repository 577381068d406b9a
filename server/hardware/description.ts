/** What a hardware type offers, as GET /v1/drivers and the conductors' rows say it. */
import { hardwareType } from './registry.ts'
import { type Hardware, type HardwareType, type InterfaceType, interfaceTypes } from './types.ts'

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

function interfacesOf(type: HardwareType): DriverInterfaces {
  return Object.fromEntries(
    interfaceTypes.map((each) => {
      const enabled = type.interfaces[each].map((implementation) => implementation.name)
      return [each, { default: enabled[0], enabled }]
    }),
  ) as DriverInterfaces
}
