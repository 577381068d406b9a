/** NETCONF's operations and answers (RFC 6241) as XML, and what a request to a NETCONF transport is. */
import type { Reply, Request } from '../types.ts'
import { element, find, findAll, netconfNamespace, textAt, type XmlElement } from './xml.ts'

export type Datastore = 'running' | 'candidate' | 'startup'

export type Operation =
  | { do: 'lock' | 'unlock'; target: Datastore }
  | { do: 'get'; filter: readonly XmlElement[] }
  | { do: 'get-config'; source: Datastore; filter: readonly XmlElement[] }
  | { do: 'edit-config'; target: Datastore; config: readonly XmlElement[] }
  | { do: 'validate'; source: Datastore }
  /** `confirmed`: undone by the switch itself unless a further commit comes in time, or when the session ends first. */
  | { do: 'commit'; confirmed?: { timeoutSeconds: number; persist?: string }; persistId?: string }
  | { do: 'cancel-commit'; persistId?: string }
  | { do: 'discard-changes' }
  | { do: 'copy-config'; source: Datastore; target: Datastore }
  /** A vendor's own operation. */
  | { do: 'rpc'; rpc: XmlElement }

export type NetconfRequest = Request & {
  operation: Operation
  /** Not sent if the switch lacks this capability (`startup:1.0`): then it is as if it had been done. */
  ifCapable?: string
  /** Not sent unless this says so of the answers before it in the same list. */
  only?: (earlier: readonly NetconfReply[]) => boolean
  /** Tags of errors that are none here: there was nothing to cancel, nothing to unlock. */
  accept?: readonly string[]
  /**
   * Of a lock: somebody else's is waited for, as long as there is time. Not in a session that was refused it before: that
   * one has nothing to take back.
   */
  patient?: true
  /** Not sent while this session has no lock. */
  underLock?: true
  /**
   * The clock of a confirmed commit. A number of seconds starts it; `confirm` is only sent while it surely runs, since a
   * late confirmation would be taken for a commit of nothing; `stop` ends it; `unless-running` is skipped while it runs.
   */
  clock?: number | 'confirm' | 'stop' | 'unless-running'
}

export type RpcError = {
  severity: 'error' | 'warning'
  tag: string
  message: string
  /** Where in the configuration, in the switch's words. */
  path: string
}

/** `text` is what the errors say. Warnings are no errors. */
export type NetconfReply = Reply & {
  errors: readonly RpcError[]
  warnings: readonly RpcError[]
  /** The whole `rpc-reply`; null where nothing had to be sent. */
  answer: XmlElement | null
}

export const base10 = 'urn:ietf:params:netconf:base:1.0'
export const base11 = 'urn:ietf:params:netconf:base:1.1'

const nc = (
  name: string,
  content: string | readonly XmlElement[] = [],
  attributes: Record<string, string> = {},
): XmlElement => element(netconfNamespace, name, content, attributes)

export function hello(): XmlElement {
  return nc('hello', [nc('capabilities', [nc('capability', base10), nc('capability', base11)])])
}

export function rpc(operation: Operation, messageId: string): XmlElement {
  return nc('rpc', [operationXml(operation)], { 'message-id': messageId })
}

function operationXml(operation: Operation): XmlElement {
  const filter = (wanted: readonly XmlElement[]) => nc('filter', wanted, { type: 'subtree' })
  const store = (role: 'target' | 'source', name: Datastore) => nc(role, [nc(name)])
  switch (operation.do) {
    case 'lock':
    case 'unlock':
      return nc(operation.do, [store('target', operation.target)])
    case 'get':
      return nc('get', [filter(operation.filter)])
    case 'get-config':
      return nc('get-config', [store('source', operation.source), filter(operation.filter)])
    case 'edit-config':
      return nc('edit-config', [store('target', operation.target), nc('config', operation.config)])
    case 'validate':
      return nc('validate', [store('source', operation.source)])
    case 'commit':
      return nc('commit', commitOptions(operation))
    case 'cancel-commit':
      return nc(
        'cancel-commit',
        operation.persistId === undefined ? [] : [nc('persist-id', operation.persistId)],
      )
    case 'discard-changes':
      return nc('discard-changes')
    case 'copy-config':
      return nc('copy-config', [store('target', operation.target), store('source', operation.source)])
    case 'rpc':
      return operation.rpc
  }
}

function commitOptions({ confirmed, persistId }: Extract<Operation, { do: 'commit' }>): XmlElement[] {
  return [
    ...(confirmed === undefined
      ? []
      : [nc('confirmed'), nc('confirm-timeout', String(confirmed.timeoutSeconds))]),
    ...(confirmed?.persist === undefined ? [] : [nc('persist', confirmed.persist)]),
    ...(persistId === undefined ? [] : [nc('persist-id', persistId)]),
  ]
}

/** What a switch says of itself when the session begins; null if it is no hello. */
export function parseHello(
  message: XmlElement,
): { capabilities: readonly string[]; sessionId: string } | null {
  const sessionId = textAt(message, 'session-id')
  if (message.name !== 'hello' || message.namespace !== netconfNamespace || sessionId === undefined)
    return null
  return { sessionId, capabilities: findAll(message, 'capabilities', 'capability').map(({ text }) => text) }
}

/** Errors and warnings, wherever in the answer they stand: some switches put them inside results. */
export function errorsOf(answer: XmlElement): RpcError[] {
  if (answer.name !== 'rpc-error') return answer.children.flatMap(errorsOf)
  const bad = textAt(answer, 'error-info', 'bad-element')
  const message =
    textAt(answer, 'error-message') || (textAt(answer, 'error-tag') ?? 'an error without a word')
  return [
    {
      severity: textAt(answer, 'error-severity') === 'warning' ? 'warning' : 'error',
      tag: textAt(answer, 'error-tag') ?? '',
      message: bad === undefined || message.includes(bad) ? message : `${message} (${bad})`,
      path: textAt(answer, 'error-path') ?? '',
    },
  ]
}

/** Whether a message is the answer to a request, with its message-id. */
export function answers(message: XmlElement, messageId: string): boolean {
  return message.name === 'rpc-reply' && message.attributes['message-id'] === messageId
}

export function replyTo(request: NetconfRequest, answer: XmlElement | null): NetconfReply {
  const all = answer === null ? [] : errorsOf(answer)
  const errors = all.filter(({ severity, tag }) => severity === 'error' && !request.accept?.includes(tag))
  const { line, port } = request
  return {
    line,
    ...(port === undefined ? {} : { port }),
    errors,
    warnings: all.filter(({ severity }) => severity === 'warning'),
    answer,
    text: errors.map(({ message, path }) => (path === '' ? message : `${message} at ${path}`)).join('; '),
  }
}

/** The data of an answer to get or get-config. */
export function dataOf(reply: NetconfReply | undefined): XmlElement | undefined {
  return find(reply?.answer ?? undefined, 'data')
}
