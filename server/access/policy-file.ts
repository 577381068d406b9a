/** Reads an operator's `policy.yaml`: single rules in place of the default ones, helpers, and rules for steps. */
import { readFile, stat } from 'node:fs/promises'
import { type CheckSource, nearest, parseCheck, type RuleDefinition, referencesOf } from '@leasehold/policy'
import { isMap, isScalar, isSeq, parseDocument, type Scalar } from 'yaml'
import { messageOf } from '../errors.ts'
import { interfaceTypes } from './node-fields.ts'
import { rules } from './rules.ts'

/** A policy file that cannot be used: the message names the file, the rule and the remedy. */
export class PolicyFileError extends Error {
  constructor(file: string, message: string, cause?: unknown) {
    super(`${file}: ${message}`, cause === undefined ? {} : { cause })
    this.name = 'PolicyFileError'
  }
}

/** A file as it was found. `version` changes with its contents. */
export interface PolicyFile {
  readonly path: string
  readonly version: string
  readonly text: string
}

const maxBytes = 1_048_576

/** @throws PolicyFileError if the file cannot be read or is longer than a mebibyte */
export async function readPolicyFile(path: string): Promise<PolicyFile> {
  const version = await policyFileVersion(path)
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw unreadable(path, error)
  })
  if (text.length > maxBytes)
    throw new PolicyFileError(path, `longer than ${maxBytes} characters: shorten it`)
  return { path, version, text }
}

/** What tells one state of the file from another. @throws PolicyFileError if it is not there */
export async function policyFileVersion(path: string): Promise<string> {
  try {
    const { mtimeNs, size, ino } = await stat(path, { bigint: true })
    return `${mtimeNs}/${size}/${ino}`
  } catch (error) {
    throw unreadable(path, error)
  }
}

const unreadable = (path: string, error: unknown): PolicyFileError =>
  new PolicyFileError(
    path,
    `cannot be read (${messageOf(error)}): correct policy.file or leave it out`,
    error,
  )

/**
 * The rules a file defines, to be laid over the defaults, whose scopes stay as they are. A name that is no default
 * must be a helper that another rule uses, or `baremetal:step:execute:INTERFACE.STEP`.
 *
 * @throws PolicyFileError; PolicySyntaxError for a check that cannot be read
 */
export function parseOverrides({ path, text }: Pick<PolicyFile, 'path' | 'text'>): RuleDefinition[] {
  const document = parseDocument(text, { merge: false })
  const [problem] = [...document.errors, ...document.warnings]
  if (problem !== undefined) throw new PolicyFileError(path, `not valid YAML: ${problem.message}`, problem)
  if (document.contents === null) return []
  if (!isMap(document.contents)) {
    throw new PolicyFileError(
      path,
      'write a mapping of rule names to checks, such as "baremetal:node:get": "..."',
    )
  }
  const definitions = document.contents.items.map(({ key, value }) => {
    if (!isScalar(key) || typeof key.value !== 'string') {
      throw new PolicyFileError(path, `"${String(key)}" is not a rule name: write text`)
    }
    const scopes = defaultScopes.get(key.value) ?? null
    return { name: key.value, check: checkOf(path, key.value, value), scopes }
  })
  const helpers = usedHelpers(definitions)
  for (const { name } of definitions) {
    if (name.startsWith(stepPrefix)) refuseMisspeltStep(path, name)
    else if (!defaultScopes.has(name) && !helpers.has(name)) throw unknownRule(path, name)
  }
  return definitions
}

const defaultScopes: ReadonlyMap<string, RuleDefinition['scopes']> = new Map(
  rules.map(({ name, scopes }) => [name, scopes]),
)

function checkOf(path: string, rule: string, node: unknown): CheckSource {
  if (isScalar(node)) return textOf(path, rule, node)
  if (!isSeq(node)) throw notACheck(path, rule)
  return node.items.map((item) => {
    if (isScalar(item)) return textOf(path, rule, item)
    if (!isSeq(item)) throw notACheck(path, rule)
    return item.items.map((inner) => {
      if (!isScalar(inner)) throw notACheck(path, rule)
      return textOf(path, rule, inner)
    })
  })
}

/**
 * YAML reads an unquoted `!` as a tag on an empty text, and the empty text is the check that holds for everybody:
 * the opposite of what was meant. So a tag is refused, and a text that is empty must be quoted.
 */
function textOf(path: string, rule: string, node: Scalar): string {
  const isTagged = node.tag !== undefined && node.type === 'PLAIN'
  if (typeof node.value === 'string' && !isTagged) return node.value
  throw notACheck(path, rule)
}

const notACheck = (path: string, rule: string): PolicyFileError =>
  new PolicyFileError(
    path,
    `rule "${rule}": write the check as text in quotes: "role:reader", "!" for nobody, "@" for everybody`,
  )

function unknownRule(path: string, name: string): PolicyFileError {
  const near = nearest(name, [...defaultScopes.keys()])
  const remedy =
    near === undefined ? 'remove it, or use it in another rule as "rule:NAME"' : `is "${near}" meant?`
  return new PolicyFileError(
    path,
    `rule "${name}": there is no such rule and no other refers to it: ${remedy}`,
  )
}

const stepPrefix = 'baremetal:step:execute:'

/** A misspelt step rule would guard nothing without a word. */
function refuseMisspeltStep(path: string, name: string): void {
  const [interfaceType, step] = name.slice(stepPrefix.length).split('.')
  if (interfaceTypes.some((type) => type === interfaceType) && step !== undefined && /^\w+$/.test(step))
    return
  const remedy = `write ${stepPrefix}INTERFACE.STEP, where INTERFACE is one of ${interfaceTypes.join(', ')}`
  throw new PolicyFileError(path, `rule "${name}": ${remedy}`)
}

/** The names that rules in use refer to, directly or through other helpers. */
function usedHelpers(definitions: readonly RuleDefinition[]): ReadonlySet<string> {
  const byName = new Map<string, CheckSource>(definitions.map(({ name, check }) => [name, check]))
  const used = new Set<string>()
  const visit = (name: string): void => {
    const check = byName.get(name)
    if (check === undefined) return
    for (const reference of referencesOf(parseCheck(check, name))) {
      if (!used.has(reference)) {
        used.add(reference)
        visit(reference)
      }
    }
  }
  for (const name of byName.keys()) if (defaultScopes.has(name) || name.startsWith(stepPrefix)) visit(name)
  return used
}
