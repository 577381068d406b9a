/** What a request of the policy matrix is told of: the rules on its way, and what answers mean that they let it pass. */

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** One check on a request's way. */
export interface Gate {
  /** Any of these rules lets it through; a refusal names the first. */
  rules: readonly string[]
  /** What a caller gets whom it does not let through. */
  no: 400 | 403 | 404 | 409
  /** What the rules are asked about, when it is not all that the path names: nothing, or the node if it is seen. */
  about?: 'nothing' | 'the node if seen'
  /** It is in the way of callers of a project alone. */
  only?: 'projects'
}

export interface Common {
  route: `${Method} /${string}`
  /** Tells requests of one route apart. */
  variant?: string
  query?: string
  /** Of the object that the path names, and those that belong to it. */
  body?: unknown | ((ids: Readonly<Record<string, string>>) => unknown)
  gates: readonly Gate[]
  /** Options of the service during this request. */
  config?: Readonly<Record<string, unknown>>
}

/** A request that the rules let pass or do not. */
export interface PlainRequest extends Common {
  kind: 'plain'
  /** Statuses that say that it got past every rule. */
  passes: readonly number[]
  /** What the path names is made anew for each request. */
  fresh?: 'template' | 'rule' | 'runbook'
  /** What the path names in place of the node: one of its children. */
  on?: 'active child'
}

/** A list: the rules say how much of it a caller sees. */
export interface ListRequest extends Common {
  kind: 'list'
  resource: 'node' | 'child' | 'port' | 'portgroup' | 'connector' | 'target' | 'allocation' | 'runbook'
  /** Its rules: the right to all, and to what is of the caller's project. */
  all: string
  own: string
  /** What each row shown needs besides. */
  each?: string
  /** The list is of what belongs to the one that the path names. */
  below?: true
}

/** A field of an answer: the rules say whether it is shown. */
export interface FieldRequest extends Common {
  kind: 'field'
  /** Where in the answer, and what stands there when it is shown. */
  field: readonly string[]
  value: unknown
  /** Any of them shows it. */
  shows: readonly string[]
}

export type PolicyRequest = PlainRequest | ListRequest | FieldRequest

export const rule = (name: string): string => `baremetal:${name}`
export const seen: Gate = { rules: [rule('node:get')], no: 404 }
export const needs = (...names: string[]): Gate => ({ rules: names.map(rule), no: 403 })
export const plain = (
  route: Common['route'],
  gates: readonly Gate[],
  passes: readonly number[],
  more: Partial<PlainRequest> = {},
): PlainRequest => ({ kind: 'plain', route, gates, passes, ...more })

/** What reaches the node's lock, which another holds, has passed every rule. */
export const locked = [409]

/** Reads something of a node. */
export const reads = (path: string, name: string, passes = [200], more: Partial<PlainRequest> = {}) =>
  plain(`GET /nodes/:node${path}`, [seen, needs(`node:${name}`)], passes, more)
/** Does something to a node. */
export const does = (
  method: Method,
  path: string,
  name: string,
  body?: unknown,
  more: Partial<PlainRequest> = {},
) =>
  plain(`${method} /nodes/:node${path}`, [seen, needs(`node:${name}`)], locked, {
    ...(body === undefined ? {} : { body }),
    ...more,
  })
export const systemOnly = (route: Common['route'], name: string, passes: readonly number[], more = {}) =>
  plain(route, [needs(name)], passes, more)

export const set = (path: string, value: unknown) => [{ op: 'add', path, value }]
export const extra = set('/extra/a', 1)
