import { runInNewContext } from 'node:vm'
import { jsonReplacer } from 'libbpf-node'
import { describe, expect, it } from 'vitest'

const write = (value: unknown): string => JSON.stringify(value, jsonReplacer)

describe('jsonReplacer', () => {
  it('writes a bigint as a number if it is a safe integer, and as a decimal string otherwise', () => {
    expect(write({ a: 5n, b: -7n, c: 2n ** 53n, d: 2n ** 64n - 1n, e: -(2n ** 63n) })).toBe(
      '{"a":5,"b":-7,"c":"9007199254740992","d":"18446744073709551615","e":"-9223372036854775808"}',
    )
  })

  it('reads back as the same bigint with BigInt()', () => {
    for (const value of [0n, -1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 127n]) {
      expect(BigInt(JSON.parse(write(value)))).toBe(value)
    }
  })

  it('writes bytes as hexadecimal digits, whatever holds them', () => {
    const bytes = Uint8Array.of(0, 1, 254, 255)
    expect(write([bytes, Buffer.from(bytes), bytes.buffer, new DataView(bytes.buffer, 1, 2)])).toBe(
      '["0001feff","0001feff","0001feff","01fe"]',
    )
    expect(write(Buffer.from('hi'))).toBe('"6869"')
    expect(write(runInNewContext('({ raw: Uint8Array.of(7) })'))).toBe('{"raw":"07"}')
  })

  it('writes other typed arrays and sets as arrays', () => {
    expect(write([BigUint64Array.of(1n, 2n ** 60n), Float64Array.of(0.5), new Set([1n])])).toBe(
      '[[1,"1152921504606846976"],[0.5],[1]]',
    )
  })

  it('writes a Map as an object if its keys allow it, and as pairs otherwise', () => {
    expect(write(new Map([['a', 1n]]))).toBe('{"a":1}')
    expect(write(new Map([[{ pid: 1 }, 2n]]))).toBe('[[{"pid":1},2]]')
  })

  it('writes the numbers that JSON does not have as strings', () => {
    expect(write([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0.5])).toBe(
      '["NaN","Infinity","-Infinity",-0.5]',
    )
  })

  it('writes the message and the cause of an error, of another realm too', () => {
    const error = Object.assign(new RangeError('too large', { cause: new Error('why') }), {
      code: 'E',
      size: 5n,
    })
    expect(JSON.parse(write({ error }))).toEqual({
      error: {
        name: 'RangeError',
        message: 'too large',
        cause: { name: 'Error', message: 'why' },
        code: 'E',
        size: 5,
      },
    })
    expect(write(runInNewContext('new TypeError("far away")'))).toBe(
      '{"name":"TypeError","message":"far away"}',
    )
  })

  it('leaves everything else to JSON.stringify, and works without a this', () => {
    const event = {
      pid: 1,
      comm: 'sh',
      ok: true,
      none: null,
      list: [1, 'x'],
      at: new Date(0),
      gone: undefined,
    }
    expect(write(event)).toBe(JSON.stringify(event))
    expect(JSON.stringify({ n: 5n }, (key, value) => jsonReplacer(key, value))).toBe('{"n":5}')
  })
})
