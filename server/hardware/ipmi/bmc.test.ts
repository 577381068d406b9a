/** Which cipher suite a BMC is spoken to with. */
import { type IpmiClient, IpmiError, type IpmiErrorCode, type Target } from '@leasehold/ipmi'
import { describe, expect, it } from 'vitest'
import { testNode } from '../testing.ts'
import { createAskBmc } from './bmc.ts'

/** A client that only writes down the suites it is used with, at a BMC that takes some of them. */
function askingBmcWith(takes: readonly number[], refusal: { code: IpmiErrorCode; completionCode?: number }) {
  const tried: (number | undefined)[] = []
  const ask = createAskBmc({} as IpmiClient)
  const once = (ipmi_cipher_suite?: unknown) =>
    ask(
      testNode({ driver_info: { ipmi_address: '192.0.2.7', ipmi_cipher_suite } }),
      { signal: new AbortController().signal },
      async (_client, { cipherSuite }: Target) => {
        tried.push(cipherSuite)
        if (!takes.includes(cipherSuite ?? 0))
          throw new IpmiError(refusal.code, 'refused', refusal.completionCode)
        return cipherSuite
      },
    )
  return { tried, once }
}

describe('the cipher suite', () => {
  it('is 17 when the BMC takes it', async () => {
    const { tried, once } = askingBmcWith([3, 17], { code: 'unsupported' })
    expect(await once()).toBe(17)
    expect(tried).toEqual([17])
  })

  it('is 3 when the BMC refuses 17, and from then on 3 at once', async () => {
    const { tried, once } = askingBmcWith([3], { code: 'unsupported' })
    expect(await once()).toBe(3)
    expect(await once()).toBe(3)
    expect(tried).toEqual([17, 3, 3])
  })

  it('is the one of ipmi_cipher_suite and no other when that is set', async () => {
    const { tried, once } = askingBmcWith([3], { code: 'unsupported' })
    await expect(once('17')).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('ipmi_cipher_suite'),
    })
    expect(tried).toEqual([17])
  })

  it.each([
    { code: 'wrong-password' },
    { code: 'unreachable' },
    { code: 'unsupported', completionCode: 0xc1 },
  ] as const)('is not weakened after %j', async (refusal) => {
    const { tried, once } = askingBmcWith([3], refusal)
    await expect(once()).rejects.toThrow('refused')
    expect(tried).toEqual([17])
  })

  it('is learnt anew when the BMC no longer takes the one it took', async () => {
    const takes = [3]
    const { tried, once } = askingBmcWith(takes, { code: 'unsupported' })
    await once()
    takes[0] = 17
    await once()
    expect(await once()).toBe(17)
    expect(tried).toEqual([17, 3, 3, 17, 17])
  })
})
