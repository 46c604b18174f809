// Parts of the language, each in a program that the emulator runs.
import { compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'

function run(text: string): Emulator {
  const emulator = Emulator.open(compile(`${text}\nexport const license = 'GPL'`).object)
  emulator.program('p').run()
  return emulator
}

describe('ring buffers with records of several types', () => {
  const records = `
    interface Started { kind: u32; pid: u32 }
    interface Ended { kind: u32; code: s32; after: u64 }
    export const last = hash<u32, Ended>(1)
    export let lost = bss<u64>()
    export const events = ringbuf<Started | Ended>(4096)`

  it('take records of each type, from members, by reserve and from memory', () => {
    const emulator = run(`${records}
      export const p = syscall(() => {
        if (!events.emit<Started>({ kind: 1, pid: 5 })) lost += 1
        const record = events.reserve<Ended>()
        if (!record) return 0
        record.kind = 2
        record.code = -3
        record.after = 7
        events.submit(record)
        last.set(1, { kind: 3, code: 4, after: 9 })
        const stored = last.get(1)
        if (stored) events.emit(stored)
        const zeros = zero<Started>()
        events.emit(zeros)
        return 0
      })`)
    const sizes = emulator.events<Uint8Array>('events').map((record) => record.length)
    expect(sizes).toEqual([8, 16, 16, 8])
    expect(emulator.get('lost')).toBe(0n)
  })

  it('have a record where it was reserved, and no more room for one that was discarded', () => {
    const emulator = run(`
      interface Row { number: u64; rest: bytes<1008> }
      export const rows = ringbuf<Row>(4096)
      export let discarded = data<u64>(0)
      function emitted(number: u64): u64 {
        const row = rows.reserve()
        if (!row) return 0
        row.number = number
        row.rest = zero()
        rows.submit(row)
        return number + 1
      }
      export const p = syscall(() => {
        const row = rows.reserve()
        if (!row) return 0
        row.rest = zero()
        row.number = emitted(5)
        rows.submit(row)
        for (const i of range(5)) {
          const other = rows.reserve()
          if (!other) return 0
          rows.discard(other)
          discarded += 1
        }
        return 0
      })`)
    const numbers = emulator.events<{ number: bigint }>('rows', 'Row').map(({ number }) => number)
    expect(numbers).toEqual([6n, 5n])
    expect(emulator.get('discarded')).toBe(1n)
  })

  it('tell whether there was room', () => {
    const emulator = run(`${records}
      export const p = syscall(() => {
        for (const i of range(1000)) if (!events.emit<Started>({ kind: 1, pid: i })) lost += 1
        if (!last.set(1, { kind: 3, code: 4, after: 9 })) lost += 10000
        if (!last.set(2, { kind: 3, code: 4, after: 9 })) lost += 10000
        return 0
      })`)
    const kept = emulator.events('events').length
    expect(kept).toBeGreaterThan(100)
    expect(emulator.get('lost')).toBe(BigInt(11_000 - kept))
  })
})
