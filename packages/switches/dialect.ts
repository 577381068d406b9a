/** What an author of a dialect or transport needs beside the public interface. */
export { SwitchError } from './errors.ts'
export type {
  Dialect,
  Driver,
  PortTarget,
  RenderContext,
  Reply,
  Request,
  Session,
  Settled,
  Target,
  Transaction,
  Transport,
  Verdict,
} from './types.ts'
