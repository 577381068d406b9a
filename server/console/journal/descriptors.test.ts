import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { shareOfDescriptors } from './descriptors.ts'

test('journals keep a quarter of the allowed files open, within bounds', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-limits-'))
  const path = join(directory, 'limits')
  const share = async (soft: string) => {
    await writeFile(
      path,
      `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${soft}   524288  files\n`,
    )
    return shareOfDescriptors(path)
  }
  expect(await share('1024')).toBe(256)
  expect(await share('100')).toBe(64)
  expect(await share('1000000')).toBe(4_096)
  expect(await share('unlimited')).toBe(4_096)
  expect(shareOfDescriptors(join(directory, 'absent'))).toBe(512)
  await rm(directory, { recursive: true })
})
