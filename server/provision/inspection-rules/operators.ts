/** What a condition of a rule may ask, one row an operator. A `!` before its name asks for the opposite. */
import { BlockList, isIP } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { type Budget, InspectionRuleError } from './budget.ts'
import { textOf } from './format.ts'
import { matches } from './regex.ts'
import type { Arguments, Signature } from './signature.ts'

export interface Operator extends Signature {
  /** @throws InspectionRuleError for arguments that make no sense. */
  holds(args: Arguments, budget: Budget): boolean
}

/** `force_strings`, as Ironic has it: values are compared as texts. */
const comparing = (holds: (a: unknown, b: unknown) => boolean): Operator => ({
  required: ['values'],
  optional: ['force_strings'],
  holds({ values, force_strings: asTexts }) {
    if (!Array.isArray(values)) throw new InspectionRuleError('"values" must be a list')
    const compared = asTexts === true ? values.map(textOf) : values
    return compared.every((value, index) => index === 0 || holds(compared[index - 1], value))
  },
})
const ofValue = (holds: (value: unknown) => boolean): Operator => ({
  required: ['value'],
  optional: [],
  holds: ({ value }) => holds(value),
})
const ofRegex = (whole: boolean): Operator => ({
  required: ['value', 'regex'],
  optional: [],
  literal: ['regex'],
  holds: ({ value, regex }, budget) => matches(regex, textOf(value), whole, budget),
})

export const operators: Readonly<Record<string, Operator>> = {
  eq: comparing(isSame),
  lt: comparing((a, b) => order(a, b) < 0),
  gt: comparing((a, b) => order(a, b) > 0),
  'is-empty': ofValue((value) => ['', 'None', '[]', '{}'].includes(textOf(value))),
  'is-none': ofValue((value) => textOf(value) === 'None'),
  'is-true': ofValue((value) => value === true || isNonZero(value) || isWord(value, ['yes', 'true'])),
  'is-false': ofValue(
    (value) => value === false || value === 0 || value === null || isWord(value, ['no', 'false']),
  ),
  'in-net': {
    required: ['address', 'subnet'],
    optional: [],
    holds: ({ address, subnet }) => isInNet(textOf(address), textOf(subnet)),
  },
  matches: ofRegex(true),
  contains: ofRegex(false),
  'one-of': {
    required: ['value'],
    optional: ['values'],
    holds({ value, values = [] }) {
      if (!Array.isArray(values)) throw new InspectionRuleError('"values" must be a list')
      return values.some((each) => isSame(each, value))
    },
  },
}

/** Equal, or of the same text: a field that was filled in is text, whatever it stands for. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a === 'string' || typeof b === 'string') return textOf(a) === textOf(b)
  return isDeepStrictEqual(a, b)
}

/** Numbers, and texts that are numbers, by their value; other texts by their characters. */
function order(a: unknown, b: unknown): number {
  const [first, second] = [numberOf(a), numberOf(b)]
  if (first !== undefined && second !== undefined) return first - second
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0
  throw new InspectionRuleError(`${textOf(a).slice(0, 100)} and ${textOf(b).slice(0, 100)} have no order`)
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  const isNumber = typeof value === 'string' && /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(value)
  return isNumber ? Number(value) : undefined
}

const isNonZero = (value: unknown): boolean => typeof value === 'number' && value !== 0
const isWord = (value: unknown, words: readonly string[]): boolean =>
  typeof value === 'string' && words.includes(value.toLowerCase())

/** `subnet` is an address with a prefix's length or a netmask, or an address alone. */
function isInNet(address: string, subnet: string): boolean {
  const [network = '', mask] = subnet.split('/')
  const [family, length] = [isIP(network), prefixOf(mask, network)]
  if (family === 0 || length === undefined)
    throw new InspectionRuleError(`${subnet.slice(0, 100)} is no subnet; write it as 192.0.2.0/24`)
  if (isIP(address) === 0) throw new InspectionRuleError(`${address.slice(0, 100)} is no IP address`)
  if (isIP(address) !== family) return false
  const list = new BlockList()
  list.addSubnet(network, length, family === 4 ? 'ipv4' : 'ipv6')
  return list.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

function prefixOf(mask: string | undefined, network: string): number | undefined {
  const longest = isIP(network) === 4 ? 32 : 128
  if (mask === undefined) return longest
  if (/^\d{1,3}$/.test(mask)) return Number(mask) <= longest ? Number(mask) : undefined
  if (longest !== 32 || isIP(mask) !== 4) return undefined
  const bits = mask
    .split('.')
    .map((byte) => Number(byte).toString(2).padStart(8, '0'))
    .join('')
  return /^1*0*$/.test(bits) ? bits.lastIndexOf('1') + 1 : undefined
}
