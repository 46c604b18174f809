// The native functions without lib/ in front of them, called in ways in which lib/ never calls them.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { interfaceIndex } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import type { Binding, UmemHandle, XskHandle } from '../../types/binding.js'
import { kernelIs } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { randomOf } from '../helpers/random.js'
import { usePair } from './pair.js'

const native: Binding = createRequire(import.meta.url)('node-gyp-build')(
  fileURLToPath(new URL('../..', import.meta.url)),
)
const pair = usePair()

const shared = (size: number): Uint8Array => {
  const bytes = new Uint8Array(new SharedArrayBuffer(size + 65536))
  return bytes.subarray(native.umemPadding(bytes)).subarray(0, size)
}
const batch = (): Uint8Array => shared(32 * 10)
function open(umem: UmemHandle, memory = batch()): XskHandle {
  const ifindex = interfaceIndex(pair.a)
  for (;;) {
    try {
      return native.xskNew(umem, ifindex, 0, 64, 64, 64, 64, 0, 0, 64, memory, () => {})
    } catch (error) {
      // The queue is busy for some milliseconds after its last socket was closed.
      if ((error as { errno: number }).errno !== 16) throw error
    }
  }
}

describe('native functions of AF_XDP', () => {
  it('refuse memory that could be taken away', () => {
    const ordinary = new Uint8Array(65536)
    expect(() => native.umemNew(ordinary, 2048, 0, 0)).toThrow(
      'native argument 0 is not in a SharedArrayBuffer',
    )
    const umem = native.umemNew(shared(65536), 2048, 0, 0)
    expect(() => open(umem, new Uint8Array(320))).toThrow('native argument 10 is not in a SharedArrayBuffer')
    expect(() => open(umem, shared(100))).toThrow('native argument 10 is not aligned, or too short')
    expect(() => open(umem, shared(330).subarray(1, 330))).toThrow('not aligned')
  })

  it('refuse frames that do not exist', () => {
    for (const [size, frameSize] of [
      [65536, 0],
      [65536, 3000],
      [65536, 131072],
      [1000, 2048],
      [65537, 2048],
      [0, 2048],
    ] as const)
      expect(() => native.umemNew(shared(size), frameSize, 0, 0)).toThrow(RangeError)
    // The kernel's own opinion comes when the first socket is opened.
    const odd = native.umemNew(shared(65536), 1024, 0, 0)
    expect(thrownBy(() => open(odd))).toMatchObject({ operation: 'XDP_UMEM_REG' })
    const unaligned = native.umemNew(shared(65536 + 8).subarray(8), 2048, 0, 0)
    expect(thrownBy(() => open(unaligned))).toMatchObject({ operation: 'XDP_UMEM_REG' })
    const headroom = native.umemNew(shared(65536), 2048, 5000, 0)
    expect(thrownBy(() => open(headroom))).toMatchObject({ operation: 'XDP_UMEM_REG' })
  })

  it('refuse a closed socket', () => {
    const umem = native.umemNew(shared(131072), 2048, 0, 0)
    const socket = open(umem)
    native.xskClose(socket)
    native.xskClose(socket)
    for (const call of [
      () => native.xskFd(socket),
      () => native.xskReceive(socket),
      () => native.xskFinish(socket),
      () => native.xskSend(socket, 0, 64, 0),
      () => native.xskKick(socket),
      () => native.xskReap(socket),
      () => native.xskWatch(socket, 1, false),
      () => native.xskStop(socket),
      () => native.xskStatistics(socket),
      () => native.xskZeroCopy(socket),
    ])
      expect(thrownBy(call)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(native.umemCounts(umem).free).toBe(64)
  })

  it('survive any arguments in any order, and lose no frame', () => {
    const seed = Number(process.env.LIBBPF_NODE_SEED ?? 1)
    const random = randomOf(seed)
    const frames = 128
    const memory = shared(frames * 2048)
    const described = batch()
    // With room for metadata, where the kernel has it.
    const umem = native.umemNew(memory, 2048, 0, kernelIs('6.11') ? 4 : 0)
    const other = native.umemNew(shared(65536), 2048, 0, 0)
    const closed = open(other)
    native.xskClose(closed)
    let socket = open(umem, described)
    const detached = new Uint8Array(64)
    structuredClone(detached.buffer, { transfer: [detached.buffer] })
    const values = (): unknown[] => [
      umem,
      socket,
      socket,
      socket,
      closed,
      other,
      undefined,
      null,
      {},
      'x',
      () => {},
      Number.NaN,
      -1,
      0.5,
      2 ** 32,
      random.below(frames) * 2048 + 24,
      random.below(frames * 2048),
      random.below(100),
      Symbol('x'),
      10n,
      new Uint8Array(8),
      new Uint8Array(Uint32Array.of(random.below(frames) * 2048, random.below(frames) * 2048).buffer),
      detached,
      memory,
      new Float64Array(4),
    ]
    const functions = [
      'umemTake',
      'umemRelease',
      'umemSent',
      'umemCounts',
      'umemPadding',
      'xskFd',
      'xskReceive',
      'xskFinish',
      'xskSend',
      'xskSendParts',
      'xskKick',
      'xskReap',
      'xskWatch',
      'xskStop',
      'xskStatistics',
      'xskZeroCopy',
      'umemNew',
      'xskNew',
    ] as const
    for (let i = 0; i < 30_000; i++) {
      const name = random.oneOf(functions)
      // Most calls have a handle of the right kind.
      const handle = random.below(3) > 0 ? [name.startsWith('umem') ? umem : socket] : []
      const args = [...handle, ...random.several(12, () => random.oneOf(values()))]
      // What JavaScript can write while native code reads.
      described[random.below(described.length)] = random.below(256)
      try {
        ;(native[name] as (...args: unknown[]) => unknown)(...args)
      } catch (error) {
        expect(error, `seed ${seed}`).toBeInstanceOf(Error)
      }
      if (i % 3000 === 0) {
        native.xskClose(socket)
        socket = open(umem, described)
      }
    }
    native.xskClose(socket)
    while (native.umemSent(umem) !== undefined);
    const { free, held, receiving, inBatch, sending } = native.umemCounts(umem)
    expect({ all: free + held, receiving, inBatch, sending }, `seed ${seed}`).toEqual({
      all: frames,
      receiving: 0,
      inBatch: 0,
      sending: 0,
    })
  })
})
