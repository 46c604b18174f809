// Functions that stand alone, and the programs that take their places.
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { loadOnly } from '../../attach/surroundings.js'
import { requiresFeature } from '../../helpers/kernel.js'

const objectOf = (text: string): Uint8Array => compile(`${text}\nexport const license = 'GPL'\n`).object
const packet = new Uint8Array(64)

const target = objectOf(`
  export let number = data<s64>(0)
  export const answer = globalFunction((packet: Frame): s32 => s32(packet.length) - 63)
  export const add = globalFunction((a: s16, b: u8, c: boolean): s16 => s16(c ? a + b : a))
  export const ask = xdp((packet) => {
    number = add(-5, 2, true)
    return answer(packet)
  })
  export const other = xdp((packet) => add(1, 2, false) === 1 ? XDP.PASS : XDP.DROP)`)

describe('globalFunction', () => {
  it('makes functions that programs call, with what they may pass', () => {
    using object = BpfObject.open(target)
    object.loadSync()
    expect(object.program('ask').testRunSync({ data: packet }).retval).toBe(1)
    expect(object.data).toMatchObject({ number: -3n })
    expect(object.program('other').testRunSync({ data: packet }).retval).toBe(2)
    const emulator = Emulator.open(target)
    expect(emulator.program('ask').run({ packet }).retval).toBe(1)
    expect(emulator.get('number')).toBe(-3n)
  })
})

describe('freplace', () => {
  requiresFeature(
    'trampolines',
    'replaces a function of a running program',
    () => {
      using running = BpfObject.open(target)
      running.loadSync()
      const ask = running.program('ask')
      using plugin = BpfObject.open(
        objectOf(`
          export const second = freplace('answer', (packet: Frame): s32 => packet.length === 64 ? 2 : 0)
          export const third = freplace((a: s16, b: u8, c: boolean): s16 => s16(c ? a - b : a))`),
      )
      plugin.program('second').setAttachTarget('answer', ask)
      plugin.program('third').setAttachTarget('add', ask)
      plugin.loadSync()
      const run = () => [
        ask.testRunSync({ data: packet }).retval,
        (running.data as { number: bigint }).number,
      ]
      expect(run()).toEqual([1, -3n])
      const links = [plugin.program('second').attachFreplace(), plugin.program('third').attachFreplace()]
      expect(run()).toEqual([2, -7n])
      for (const link of links) link.close()
      expect(run()).toEqual([1, -3n])
    },
    '5.10',
  )

  requiresFeature('trampolines', 'replaces a function of a program in C', () => {
    using running = loadOnly('attach-freplace', [])
    using plugin = BpfObject.open(objectOf(`export const p = freplace('answer', (packet: Frame): s32 => 4)`))
    plugin.program('p').setAttachTarget('answer', running.program('ask'))
    plugin.loadSync()
    using _link = plugin.program('p').attachFreplace()
    expect(running.program('ask').testRunSync({ data: packet }).retval).toBe(4)
  })
})
