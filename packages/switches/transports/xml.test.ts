import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { element, find, netconfNamespace, parseXml, textAt, writeXml, type XmlElement } from './xml.ts'

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/)
const namespace = fc.constantFrom('urn:a', 'urn:b', netconfNamespace)
// Characters that XML can carry; white space at the ends is not kept.
const text = fc
  .string({ unit: fc.constantFrom(...'aZ9 <>&"\'];:=/!?#%é\u00fc\u4e2d'), maxLength: 20 })
  .map((words) => words.trim())
const tree = fc.letrec<{ one: XmlElement }>((tie) => ({
  one: fc.oneof(
    { depthSize: 'small' },
    fc
      .tuple(
        namespace,
        name,
        text,
        fc.constantFrom<Record<string, string>>({}, { operation: 'delete' }, { 'nc:operation': 'replace' }),
      )
      .map(([uri, tag, words, attributes]) => element(uri, tag, words, attributes)),
    fc
      .tuple(namespace, name, fc.array(tie('one'), { maxLength: 4 }))
      .map(([uri, tag, below]) => element(uri, tag, below)),
  ),
})).one

describe('XML', () => {
  it('what is written is read as it was, whatever words are in it', () => {
    fc.assert(
      fc.property(tree, (one) => {
        expect(parseXml(writeXml(one))).toEqual(one)
      }),
    )
  })

  it('an element is known by its namespace, whatever its prefix', () => {
    const root = parseXml('<a:x xmlns:a="urn:1" xmlns="urn:2"><y a:z="no" q="yes"/><a:y>in urn:1</a:y></a:x>')
    expect(root).toMatchObject({ name: 'x', namespace: 'urn:1' })
    expect(root.children.map((child) => child.namespace)).toEqual(['urn:2', 'urn:1'])
    expect(root.children[0]?.attributes).toEqual({ q: 'yes' })
  })

  it('an identity keeps the namespace of its prefix, declared wherever it was', () => {
    const source =
      '<r xmlns="urn:r" xmlns:i="urn:types"><type>i:ethernet</type><note>8:30</note><url>http://x</url></r>'
    const root = parseXml(source)
    expect(find(root, 'type')?.attributes).toEqual({ 'xmlns:i': 'urn:types' })
    expect(find(root, 'note')?.attributes).toEqual({})
    expect(parseXml(writeXml(find(root, 'type') as XmlElement)).attributes).toEqual({
      'xmlns:i': 'urn:types',
    })
  })

  it.each([
    ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['an entity that nobody declared', '<a>&b;</a>'],
    ['a prefix that nobody declared', '<b:a/>'],
    ['an end that does not fit', '<a><b></a></b>'],
    ['two roots', '<a/><b/>'],
    ['an attribute twice', '<a b="1" b="2"/>'],
    ['nothing', ''],
    ['half of a document', '<a><b>'],
    ['a control character', '<a>\u0001</a>'],
  ])('%s is refused', (_what, source) => {
    expect(() => parseXml(source)).toThrow('cannot be read')
  })

  it('elements within elements have an end', () => {
    expect(() => parseXml('<a>'.repeat(65) + '</a>'.repeat(65))).toThrow('nested')
  })

  it('a path that leads nowhere is undefined', () => {
    expect(textAt(parseXml('<a><b>1</b></a>'), 'b')).toBe('1')
    expect(textAt(parseXml('<a><b>1</b></a>'), 'b', 'c')).toBeUndefined()
    expect(textAt(undefined, 'b')).toBeUndefined()
  })
})
