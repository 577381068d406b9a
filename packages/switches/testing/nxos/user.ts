/** What a user of a simulated Nexus sees, over whichever door. */

/** What came of a line: text, or the connection is to break (null), or no answer at all (undefined). */
export type Outcome = { text: string; failed: boolean; body?: unknown } | null | undefined

/** One user's place in the command line. */
export type NexusUser = { prompt: () => string; run: (line: string) => Promise<Outcome> }
