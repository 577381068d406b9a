/** Functions of another process, called by messages: enough for measurements. */
import type { ChildProcess } from 'node:child_process'

// biome-ignore lint/suspicious/noExplicitAny: each command says itself what it takes
type Commands = Record<string, (argument: any) => unknown>

/** The commands as their caller sees them. */
export type Answers<C extends Commands> = {
  [Name in keyof C]: Parameters<C[Name]> extends []
    ? () => Promise<Awaited<ReturnType<C[Name]>>>
    : (argument: Parameters<C[Name]>[0]) => Promise<Awaited<ReturnType<C[Name]>>>
}

type Question = { id: number; name: string; argument: unknown }
type Answer = { id: number; result?: unknown; error?: string }

/** The clock that all processes of this machine share, milliseconds. */
export const nowMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000

/** Calls commands of a child that `answering` serves. */
export function asking<C extends Commands>(child: ChildProcess): Answers<C> {
  const open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let last = 0
  child.on('message', ({ id, result, error }: Answer) => {
    const question = open.get(id)
    open.delete(id)
    if (error === undefined) question?.resolve(result)
    else question?.reject(new Error(error))
  })
  child.on('exit', (code) => {
    for (const { reject } of open.values()) reject(new Error(`a helper process has ended (${code})`))
  })
  return new Proxy({} as Answers<C>, {
    get: (_target, name) => (argument: unknown) =>
      new Promise((resolve, reject) => {
        last += 1
        open.set(last, { resolve, reject })
        child.send({ id: last, name: String(name), argument } satisfies Question)
      }),
  })
}

/** Serves commands to the process that forked this one, and ends with it. */
export function answering(commands: Commands): void {
  process.on('message', async ({ id, name, argument }: Question) => {
    const answer = (rest: Partial<Answer>) => process.connected && process.send?.({ id, ...rest })
    try {
      answer({ result: await commands[name]?.(argument) })
    } catch (error) {
      answer({ error: String((error as Error).stack) })
    }
  })
  process.on('disconnect', () => process.exit())
}
