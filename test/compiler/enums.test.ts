import { compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { runBoth } from './run.js'

describe('enums of a program', () => {
  const declarations = `
    enum Kind { None, Read = 4, Write, Both = Read | 16 }
    const enum Level { Low = -1, High = 1 }
    const mask = Kind.Both
    interface Event { kind: Kind; level: Level }
    export const events = hash<u32, Event>(4)`

  it('are numbers', () => {
    const body = `
      const event: Event = { kind: Kind.Write, level: Level.Low }
      output[0] = Kind.None + Kind.Read
      output[1] = event.kind
      output[2] = event.level < 0 ? 1 : 0
      output[3] = mask
      switch (event.kind) {
        case Kind.Read: output[4] = 1; break
        case Kind.Write: output[4] = 2; break
      }
      events.set(1, event)`
    expect(runBoth(body, { declarations }).output.slice(0, 5)).toEqual([4n, 5n, 1n, 20n, 2n])
  })

  it('have their names in the types of the object', () => {
    const text = `${declarations}
      export const p = syscall(() => { events.set(1, { kind: Kind.Read, level: Level.High }); return 0 })`
    const type = Emulator.open(compile(text).object).object.btf?.find('Kind', 'enum')
    expect(type?.values).toEqual([
      { name: 'None', value: 0 },
      { name: 'Read', value: 4 },
      { name: 'Write', value: 5 },
      { name: 'Both', value: 20 },
    ])
  })

  it('and types may use constants that stand below them', () => {
    const below = `
      interface Row { cells: array<u32, typeof width> }
      enum Size { Least = width, More }
      export const rows = array<Row>(2)
      const width = 2 * 2`
    const body = 'output[0] = sizeof<Row>(); output[1] = Size.More'
    expect(runBoth(body, { declarations: below }).output.slice(0, 2)).toEqual([16n, 5n])
  })
})
