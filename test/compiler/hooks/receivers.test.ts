// Programs for infrared receivers. No kernel here is built with CONFIG_BPF_LIRC_MODE2, so the emulator runs them.
import { BpfError, Object as BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'

const { object } = compile(`
  export let pulses = data<u32>(0)
  export let longest = data<u32>(0)
  export const receive = lircMode2((sample) => {
    const microseconds = sample & 0xff_ffff
    if (sample >> 24 !== 1) return 0
    pulses += 1
    if (microseconds > longest) longest = microseconds
    if (microseconds > 2000) bpf.rcKeydown(8, 0x1234, 1)
    return 0
  })
  export const license = 'GPL'`)

describe('a program for infrared receivers', () => {
  it('gets the sample, and presses keys', () => {
    const keys: (bigint | number)[][] = []
    const emulator = Emulator.open(object, {
      helpers: {
        rc_keydown: (_machine, _context, ...key) => {
          keys.push(key.slice(0, 3).map(Number))
          return 0
        },
      },
    })
    for (const sample of [0x0100_0064, 0x0000_0bb8, 0x0100_07d1, 0x0100_0010])
      emulator.program('receive').run({ context: new Uint8Array(Uint32Array.of(sample).buffer) })
    expect([emulator.get('pulses'), emulator.get('longest')]).toEqual([3, 2001])
    expect(keys).toEqual([[8, 0x1234, 1]])
  })

  it('has the section of libbpf, and the kernel says whether it has such programs', () => {
    using opened = BpfObject.open(object)
    expect(opened.program('receive')).toMatchObject({ section: 'lirc_mode2', type: 'lirc_mode2' })
    try {
      opened.loadSync()
    } catch (error) {
      expect(error).toBeInstanceOf(BpfError)
      expect((error as BpfError).message).toMatch(/is of type lirc_mode2, which this kernel lacks/)
    }
  })
})
