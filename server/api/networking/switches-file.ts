/** Switches, their ports and VLAN pools from a YAML file, in the same words as the API's. What it does not name stays. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Type } from 'typebox'
import { parse } from 'yaml'
import { messageOf } from '../../errors.ts'
import {
  changePool,
  changeSwitch,
  findPool,
  findSwitch,
  insertPool,
  insertSwitch,
  putSwitchPorts,
} from '../../networking/index.ts'
import type { ApiDeps } from '../deps.ts'
import { validatorOf } from '../validate.ts'
import {
  newSwitchBody,
  portName,
  resourceName,
  type SwitchInput,
  type SwitchPortInput,
  switchPortBody,
} from './switch-fields.ts'
import { columnsOf, usual } from './switches.ts'

/** What is wrong with the file, for whoever wrote it. */
export class SwitchesFileError extends Error {}

const checkFile = validatorOf(
  Type.Object(
    {
      vlan_pools: Type.Optional(
        Type.Array(
          Type.Object(
            {
              name: resourceName,
              physical_network: Type.Optional(resourceName),
              ranges: Type.String({ minLength: 1, maxLength: 4096 }),
            },
            { additionalProperties: false },
          ),
        ),
      ),
      switches: Type.Optional(
        Type.Array(
          Type.Object(
            {
              ...newSwitchBody.properties,
              ports: Type.Optional(Type.Record(Type.String(), switchPortBody)),
            },
            { additionalProperties: false },
          ),
        ),
      ),
    },
    { additionalProperties: false },
  ),
)

interface SwitchesFile {
  vlan_pools?: { name: string; physical_network?: string; ranges: string }[]
  switches?: (SwitchInput & { ports?: Record<string, SwitchPortInput> })[]
}

/**
 * Puts the file into the database: what is there by the same name is changed to what the file says of it.
 * @throws SwitchesFileError that says what is wrong; never with what is secret in the file.
 */
export async function applySwitchesFile(deps: Pick<ApiDeps, 'db' | 'vault'>, path: string): Promise<void> {
  try {
    const file = await readSwitches(path)
    for (const pool of file.vlan_pools ?? []) await putPool(deps, pool)
    for (const each of file.switches ?? []) await putSwitch(deps, each)
  } catch (error) {
    throw new SwitchesFileError(`networking.switches_file ${path}: ${messageOf(error)}`, { cause: error })
  }
}

async function readSwitches(path: string): Promise<SwitchesFile> {
  // Errors without the lines that they are about: there may be a password in them. A range that is a number is text.
  const document: unknown = parse(await readFile(path, 'utf8'), { prettyErrors: false }) ?? {}
  for (const pool of (document as { vlan_pools?: { ranges?: unknown }[] }).vlan_pools ?? [])
    if (typeof pool?.ranges === 'number') pool.ranges = String(pool.ranges)
  checkFile(document)
  return document as SwitchesFile
}

async function putPool(
  { db }: Pick<ApiDeps, 'db'>,
  { name, physical_network = 'default', ranges }: NonNullable<SwitchesFile['vlan_pools']>[number],
): Promise<void> {
  const known = await findPool(db, { name })
  if (!known) await insertPool(db, { name, physical_network, ranges })
  else if (known.physical_network !== physical_network)
    throw new Error(`VLAN pool ${name} is of physical network ${known.physical_network}; remove it first.`)
  else if (known.ranges !== ranges) await changePool(db, known.uuid, () => ({ ranges }))
}

/** Makes a switch, or makes the one of its name so. Ports that are not given stay as they are. */
export async function putSwitch(
  deps: Pick<ApiDeps, 'db' | 'vault'>,
  { ports = {}, ...given }: NonNullable<SwitchesFile['switches']>[number],
): Promise<void> {
  const input = { ...usual, ...given }
  const known = await findSwitch(deps.db, { name: input.name })
  const uuid = known?.uuid ?? randomUUID()
  const columns = columnsOf(deps, uuid, input)
  const row = known
    ? await changeSwitch(deps.db, uuid, () => columns)
    : await insertSwitch(deps.db, { ...columns, uuid } as never)
  await putSwitchPorts(
    deps.db,
    row.id,
    Object.entries(ports).map(([name, port]) => ({ ...port, name: portName(name) })),
  )
}
