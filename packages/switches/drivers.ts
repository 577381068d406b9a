/** The kinds of switches there are: a dialect over a transport, by name. */
import type { Driver } from './types.ts'

export const drivers: Readonly<Record<string, Driver>> = {}
