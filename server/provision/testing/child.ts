/** Conductors in processes of their own, which tests start and kill. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('./conductor-process.ts', import.meta.url))

export interface ConductorProcess {
  /** Kills it as a power cut would, and waits until it is gone. */
  kill(): Promise<void>
  /** Asks it to stop; resolves with the time that it took, milliseconds. */
  stop(): Promise<number>
}

/** Starts one and waits until it takes orders. */
export async function startProcess(
  url: string,
  file: string,
  name: string,
  settings: Record<string, unknown>,
): Promise<ConductorProcess> {
  const child: ChildProcess = spawn(process.execPath, [script, url, file, name, JSON.stringify(settings)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  await new Promise<void>((ready, failed) => {
    child.stdout?.once('data', () => ready())
    child.once('exit', (code) => failed(new Error(`The conductor ended with ${code} before it was ready`)))
  })
  const end = async (signal: 'SIGKILL' | 'SIGTERM') => {
    const begun = Date.now()
    child.kill(signal)
    await gone
    return Date.now() - begun
  }
  return { kill: async () => void (await end('SIGKILL')), stop: () => end('SIGTERM') }
}
