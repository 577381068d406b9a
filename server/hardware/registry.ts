/** The hardware types of a conductor, and the way from a node to the implementations it uses. */
import { LeaseholdError } from '../errors.ts'
import {
  type Hardware,
  type HardwareType,
  type Interfaces,
  type InterfaceType,
  interfaceTypes,
  type Node,
} from './types.ts'

/**
 * Hardware made of these types.
 * @throws Error when a type lacks an implementation for some interface: a mistake in the code.
 */
export function createRegistry(types: readonly HardwareType[], close: () => Promise<void>): Hardware {
  for (const type of types)
    for (const each of interfaceTypes)
      if (type.interfaces[each].length === 0) throw new Error(`${type.name} has no ${each} interface`)
  const byName = new Map(types.map((type) => [type.name, type]))

  return {
    types: byName,
    close,
    implementation<Type extends InterfaceType>(node: Pick<Node, 'driver' | 'interfaces'>, type: Type) {
      return implementationNamed(hardwareType(byName, node.driver), type, node.interfaces[type])
    },
    chooseInterfaces(driver, asked) {
      const type = hardwareType(byName, driver)
      return Object.fromEntries(
        interfaceTypes.map((each) => [each, implementationNamed(type, each, asked[each]).name]),
      ) as Record<InterfaceType, string>
    },
  }
}

/**
 * The hardware type of that name.
 * @throws LeaseholdError 'invalid' naming those that there are.
 */
export function hardwareType(types: ReadonlyMap<string, HardwareType>, driver: string): HardwareType {
  const type = types.get(driver)
  if (type) return type
  const known = [...types.keys()].join(', ')
  throw new LeaseholdError(
    'invalid',
    `driver: no hardware type ${driver} is enabled here; choose one of ${known}.`,
  )
}

function implementationNamed<Type extends InterfaceType>(
  type: HardwareType,
  interfaceType: Type,
  name: string | null | undefined,
): Interfaces[Type] {
  const supported: readonly Interfaces[Type][] = type.interfaces[interfaceType]
  const found = name == null ? supported[0] : supported.find((each) => each.name === name)
  if (found) return found
  const names = supported.map((each) => each.name).join(', ')
  throw new LeaseholdError(
    'invalid',
    `${interfaceType}_interface: hardware type ${type.name} has no implementation ${name} here; choose one of ${names}.`,
  )
}
