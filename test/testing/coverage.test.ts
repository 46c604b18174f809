import { fileURLToPath } from 'node:url'
import { coverageOf, Emulator, ethernet, lcov, packet } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'

const path = fileURLToPath(new URL('../../dist/examples/xdp-count/xdp-count.bpf.o', import.meta.url))

describe.each(['compiled', 'interpreted'] as const)('coverage, %s', (executor) => {
  it('counts the lines of C that ran', () => {
    const emulator = Emulator.open(path, { executor, coverage: true })
    emulator.program('count').run({ packet: new Uint8Array(4) })
    const text = lcov(emulator.coverage())
    expect(text).toMatch(/^TN:\nSF:.*xdp-count\.bpf\.c\nDA:\d+,\d+\n/)
    const before = [...emulator.coverage().values()][0]!
    emulator.program('count').run({ packet: packet(ethernet({ type: 0x88b5 }), new Uint8Array(40)) })
    const after = [...coverageOf([emulator.machine]).values()][0]!
    expect([...before.values()]).toContain(0)
    expect([...after.values()].filter((count) => count === 0).length).toBeLessThan(
      [...before.values()].filter((count) => count === 0).length,
    )
    expect(Math.max(...after.values())).toBe(2)
    expect([...after.keys()]).not.toContain(0)
  })
})
