import { describe, expect, it } from 'vitest'
import { thrownBy } from '../helpers/objects.js'
import { loadOnly } from './surroundings.js'

const XDP_DROP = 1
const XDP_PASS = 2

describe('a tail call', () => {
  it('jumps to the program in the map, and continues if the slot is empty', async () => {
    using object = loadOnly('attach-net', ['before_jump', 'after_jump'])
    const jumps = object.map<number, number>('jumps')
    const run = async () => (await object.program('before_jump').testRun({ data: new Uint8Array(64) })).retval
    expect(await run()).toBe(XDP_DROP)
    jumps.set(1, object.program('after_jump').fd)
    expect(jumps.get(1)).toBe(object.program('after_jump').id)
    expect(await run()).toBe(XDP_PASS)
    expect(object.bss.runs).toEqual([2n, 1n, 1n, 0n])
    jumps.delete(1)
    expect(await run()).toBe(XDP_DROP)
  })

  it('refuses programs of another type', () => {
    using object = loadOnly('attach-net', ['before_jump', 'after_jump', 'cut'])
    const jumps = object.map<number, number>('jumps')
    expect(thrownBy(() => jumps.set(1, object.program('cut').fd))).toMatchObject({ code: 'EINVAL' })
  })
})
