import { expect, it } from 'vitest'
import { fromDatabase } from './database-errors.ts'

const code = (state: string) => fromDatabase(Object.assign(new Error('words'), { code: state }))?.code

it.each(['08006', '40P01', '40001', '53300', '57P01', 'ECONNREFUSED'])(
  '%s is no fault of the caller, who may try again',
  (state) => expect(code(state)).toBe('unavailable'),
)

it('a value that cannot be stored is the caller’s, and what nobody foresaw is nobody’s', () => {
  expect(code('22003')).toBe('invalid')
  expect(['23505', '42P01', 'ERR_X'].map(code)).toEqual([undefined, undefined, undefined])
})
