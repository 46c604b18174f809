import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { unxz } from '../../lib/symbols/xz.js'
import { times } from '../helpers/random.js'

const xz = (bytes: Uint8Array, ...options: string[]): Uint8Array =>
  execFileSync('xz', ['--stdout', '--threads=1', ...options], { input: bytes, maxBuffer: 1 << 28 })

describe('unxz', () => {
  it.each([['-0'], ['-6'], ['-9e'], ['--check=none'], ['--check=sha256'], ['--block-size=100000']])(
    'decompresses what xz %s writes',
    (option) => {
      const program = readFileSync(process.execPath).subarray(4000, 300_000)
      expect(Buffer.compare(unxz(xz(program, option)), program)).toBe(0)
    },
  )

  it('decompresses bytes of every kind', () => {
    times(40, (random) => {
      const part = random.bytes(random.below(300))
      const bytes = Buffer.concat(
        random.several(30, () => (random.below(2) === 0 ? part : random.bytes(random.below(5000)))),
      )
      const lclp = `--lzma2=lc=${random.below(3)},lp=${random.below(3)},pb=${random.below(5)}`
      expect(Buffer.compare(unxz(xz(bytes, lclp)), bytes)).toBe(0)
    })
  })

  it('refuses damaged bytes with a RangeError, or returns others', () => {
    const whole = xz(readFileSync('/proc/self/maps'))
    times(300, (random) => {
      const bytes = Buffer.from(whole)
      bytes[random.below(bytes.length)] = random.below(256)
      try {
        unxz(bytes.subarray(0, random.below(4) === 0 ? random.below(bytes.length) : bytes.length))
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
    })
    expect(() => unxz(new Uint8Array(0))).toThrow(RangeError)
  })
})
