/** XML as NETCONF needs it: a plain tree of elements with namespaces. Strict, bounded, without DTDs. */
import { SaxesParser } from 'saxes'
import { SwitchError } from '../errors.ts'

export type XmlElement = {
  /** Without prefix. */
  name: string
  namespace: string
  /**
   * By name; those of NETCONF's own namespace as `nc:operation`. Of declarations of namespaces only those of a prefix
   * that begins the text are kept, as identities are written with one.
   */
  attributes: Readonly<Record<string, string>>
  children: readonly XmlElement[]
  /** What stands in it beside elements, trimmed. */
  text: string
}

/** The namespace of RFC 6241, whose attributes are written with the prefix `nc`. */
export const netconfNamespace = 'urn:ietf:params:xml:ns:netconf:base:1.0'

const maxDepth = 64
const maxElements = 2_000_000

/** An element of a namespace, from text or from elements. */
export function element(
  namespace: string,
  name: string,
  content: string | readonly XmlElement[] = [],
  attributes: Readonly<Record<string, string>> = {},
): XmlElement {
  const text = typeof content === 'string' ? content : ''
  return { name, namespace, attributes, children: typeof content === 'string' ? [] : content, text }
}

/** @throws SwitchError 'unreachable' for what is not well-formed, has a DTD, or is built to exhaust us */
export function parseXml(source: string): XmlElement {
  type Open = { -readonly [K in keyof XmlElement]: XmlElement[K] } & { children: XmlElement[] }
  const parser = new SaxesParser({ xmlns: true, position: false })
  const open: Open[] = []
  let root: XmlElement | undefined
  let elements = 0
  parser.on('error', (error) => refuse(error.message))
  parser.on('doctype', () => refuse('it has a document type'))
  parser.on('opentag', (tag) => {
    if (open.length >= maxDepth) refuse(`it is nested more than ${maxDepth} deep`)
    if (++elements > maxElements) refuse(`it has more than ${maxElements} elements`)
    const attributes: Record<string, string> = {}
    for (const { uri, local, value } of Object.values(tag.attributes))
      if (uri === '') attributes[local] = value
      else if (uri === netconfNamespace) attributes[`nc:${local}`] = value
    const one: Open = { name: tag.local, namespace: tag.uri, attributes, children: [], text: '' }
    open.at(-1)?.children.push(one)
    open.push(one)
  })
  const text = (words: string) => {
    const inside = open.at(-1)
    if (inside) inside.text += words
  }
  parser.on('text', text)
  parser.on('cdata', text)
  parser.on('closetag', () => {
    const done = open.pop()
    if (done === undefined) return
    done.text = done.text.trim()
    const prefix = /^([A-Za-z_][\w.-]*):[A-Za-z_]/.exec(done.text)?.[1]
    const uri = prefix === undefined ? undefined : parser.resolve(prefix)
    if (uri) done.attributes = { ...done.attributes, [`xmlns:${prefix}`]: uri }
    if (open.length === 0) root = done
  })
  parser.write(source).close()
  return root ?? refuse('it has no element')
}

/** One line; each element says its namespace where it is another than its parent's. */
export function writeXml(one: XmlElement, inherited = ''): string {
  const names = Object.keys(one.attributes)
  const prefix = names.some((name) => name.startsWith('nc:')) ? ` xmlns:nc="${netconfNamespace}"` : ''
  const space = one.namespace === inherited ? '' : ` xmlns="${escaped(one.namespace)}"`
  const attributes = names.map((name) => ` ${name}="${escaped(one.attributes[name] ?? '')}"`).join('')
  const start = `<${one.name}${space}${prefix}${attributes}`
  const content = escaped(one.text) + one.children.map((child) => writeXml(child, one.namespace)).join('')
  return content === '' ? `${start}/>` : `${start}>${content}</${one.name}>`
}

/** The same without namespaces, for people. */
export function showXml(one: XmlElement): string {
  const bare = (part: XmlElement): XmlElement => ({
    ...part,
    namespace: '',
    attributes: Object.fromEntries(
      Object.entries(part.attributes)
        .filter(([name]) => !name.startsWith('xmlns'))
        .map(([name, value]) => [name.replace('nc:', ''), value]),
    ),
    children: part.children.map(bare),
  })
  return writeXml(bare(one))
}

/** The first element at a path of names, whatever its namespace. */
export function find(one: XmlElement | undefined, ...path: readonly string[]): XmlElement | undefined {
  return path.reduce<XmlElement | undefined>(
    (at, name) => at?.children.find((child) => child.name === name),
    one,
  )
}

/** All elements at a path of names: every child of the last name. */
export function findAll(one: XmlElement | undefined, ...path: readonly string[]): readonly XmlElement[] {
  const name = path.at(-1)
  return find(one, ...path.slice(0, -1))?.children.filter((child) => child.name === name) ?? []
}

/** What stands in the first element at a path; undefined if there is none. */
export function textAt(one: XmlElement | undefined, ...path: readonly string[]): string | undefined {
  return find(one, ...path)?.text
}

function escaped(text: string): string {
  const named: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (character) => named[character] ?? character)
}

function refuse(why: string): never {
  throw new SwitchError('unreachable', `the switch sent XML that cannot be read: ${why}`)
}
