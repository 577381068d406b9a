/** `npm start -- --demo` on a directory of its own, and its end. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { launch, postgresLeft } from '../../server/testing.ts'

export interface DemoService {
  url: string
  /** The clouds.yaml of its callers: leasehold (the administrator), owner, lessee, stranger. */
  clouds: string
  /** Its data directory. */
  data: string
  /** @throws Error when it does not end cleanly. */
  end(): Promise<void>
}

export async function startService(settings: readonly string[] = []): Promise<DemoService> {
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-real-'))
  const data = join(directory, 'data')
  const service = launch(['--demo', '--data', data, '--listen', '127.0.0.1:0', ...settings], {
    command: ['npm', 'start', '--silent', '--'],
  })
  const end = async () => {
    const { code, stderr } = await service.end('SIGTERM')
    const left = await postgresLeft(data)
    await rm(directory, { recursive: true, force: true })
    if (code !== 0 || left.length > 0)
      throw new Error(`The service ended with ${code}, PostgreSQL left: ${left.join()}. ${stderr}`)
  }
  try {
    return { url: await service.listening(), clouds: join(data, 'clouds.yaml'), data, end }
  } catch (error) {
    await end().catch(() => {})
    throw error
  }
}
