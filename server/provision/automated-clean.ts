/** Whether a node is cleaned by itself on its way to available: the node may say, else the service's default holds. */
import type { Config } from '../config.ts'
import type { Node } from '../hardware/index.ts'

export const automatedClean = (node: Pick<Node, 'automated_clean'>, config: Config): boolean =>
  node.automated_clean ?? config['conductor.automated_clean']
