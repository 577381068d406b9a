/** edit-config as a server does it: merge, replace, create, delete and remove on trees. */
import { find, type XmlElement } from '../../transports/xml.ts'

/** Which elements are lists, and the child that is their key; which are lists of values. */
export type Schema = {
  keyOf: (one: XmlElement) => string | null
  isLeafList: (one: XmlElement) => boolean
  /** `operation` of NETCONF's namespace, or without any, as Junos has it. */
  operationOf: (one: XmlElement) => string | undefined
}

export type Refusal = { tag: string; message: string; path?: string }

/** @throws Refusal */
export function edit(tree: XmlElement, change: XmlElement, schema: Schema): XmlElement {
  let children = [...tree.children]
  for (const child of change.children) {
    const at = children.findIndex((one) => same(one, child, schema))
    const operation = schema.operationOf(child) ?? 'merge'
    const there = children[at]
    if (operation === 'delete' && there === undefined)
      throw { tag: 'data-missing', message: `there is no ${child.name} to delete` } satisfies Refusal
    if (operation === 'create' && there !== undefined)
      throw { tag: 'data-exists', message: `${child.name} is there already` } satisfies Refusal
    if (operation === 'delete' || operation === 'remove')
      children = children.filter((_, index) => index !== at)
    else if (there === undefined || operation === 'replace') {
      const fresh = edit({ ...child, attributes: declared(child), children: [] }, child, schema)
      children = there === undefined ? [...children, fresh] : children.with(at, fresh)
    } else
      children = children.with(
        at,
        edit({ ...there, text: child.text, attributes: declared(child) }, child, schema),
      )
  }
  return { ...tree, children }
}

function same(one: XmlElement, other: XmlElement, schema: Schema): boolean {
  if (one.name !== other.name || one.namespace !== other.namespace) return false
  if (schema.isLeafList(other)) return one.text === other.text
  const key = schema.keyOf(other)
  return key === null || find(one, key)?.text === find(other, key)?.text
}

/** Declarations of prefixes stay with the values that need them; operations do not. */
function declared({ attributes }: XmlElement): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => name.startsWith('xmlns:')))
}
