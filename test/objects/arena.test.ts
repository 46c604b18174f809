import { expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'

interface Item {
  value: bigint
  next: Item | null
}

interface Arena {
  first: Item | null
  items: Item[]
}

requiresKernel('6.9', 'BpfObject.arena has the variables of an arena in C, and follows pointers', () => {
  using object = load('arena-list')
  const arena = object.arena as unknown as Arena
  expect([arena.first, arena.items.length]).toEqual([null, 64])
  expect(object.program('build').testRunSync({}).retval).toBe(0)
  const values: bigint[] = []
  for (let item = arena.first; item !== null; item = item.next) values.push(item.value)
  expect(values).toEqual([4n, 3n, 2n, 1n, 0n])
  arena.first!.value = 10n
  expect(arena.items[4]!.value).toBe(10n)
  arena.items[0]!.next = arena.items[63]!
  expect(arena.items[0]!.next).toEqual({ value: 0n, next: null })
  using memory = object.map('arena').mmapArena()
  // Where libbpf puts the variables depends on the kernel.
  const start = [0, memory.size - 4096].find((at) => memory.read(at, 1)[0] !== 0)!
  expect(new DataView(memory.read(start, 8).buffer).getBigUint64(0, true)).toBe(
    memory.address + BigInt(start + 8 + 4 * 16),
  )
  memory.write(start, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0))
  expect(thrownBy(() => arena.first)).toEqual(new RangeError('first points out of the arena, to 0x1'))
})

requiresKernel('6.9', 'BpfObject.arena ends with the object, and begins when it is loaded', () => {
  const object = open('arena-list')
  expect(thrownBy(() => object.arena)).toMatchObject({ code: 'ERR_BPF_STATE', map: 'arena' })
  object.loadSync()
  const arena = object.arena as unknown as Arena
  expect(object.arena).toBe(arena)
  object.close()
  expect(thrownBy(() => arena.first)).toMatchObject({ code: 'ERR_BPF_CLOSED', map: 'arena' })
})

it('BpfObject.arena is empty without an arena', () => {
  using object = open('mapped')
  expect(object.arena).toEqual({})
})
