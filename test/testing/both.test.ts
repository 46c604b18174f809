// The same tests in the emulator and in the kernel.
import { fileURLToPath } from 'node:url'
import { Linker } from 'libbpf-node'
import {
  add,
  buildObject,
  call,
  callFunction,
  exit,
  jeq,
  label,
  ldData,
  ldMap,
  ldx,
  mov,
  mul,
  r0,
  r1,
  r2,
  r3,
  r6,
  r10,
  st,
  stx,
  types,
} from 'libbpf-node/asm'
import {
  Emulator,
  ethernet,
  ipv4,
  openInKernel,
  packet,
  type TestObject,
  tcp,
  udp,
} from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import 'libbpf-node/testing/vitest'
import { kernelIs } from '../helpers/kernel.js'

const example = (name: string): string =>
  fileURLToPath(new URL(`../../dist/examples/${name}/${name}.bpf.o`, import.meta.url))

const ways: [string, (source: string | Uint8Array) => TestObject | Promise<TestObject>][] = [
  ['the emulator', (source) => Emulator.open(source)],
  ['the kernel', openInKernel],
]

describe.each(ways)('in %s', (_, open) => {
  it('an XDP program counts frames by protocol', async () => {
    using object = await open(example('xdp-count'))
    const program = object.program('count')
    for (const layers of [[udp()], [tcp()]]) {
      const result = program.run({ packet: packet(ethernet(), ipv4(), ...layers, new Uint8Array(32)) })
      expect(result).toHaveRetval('XDP_PASS')
      expect(result).toHaveRetval(2)
    }
    const counts = object.map<number, bigint[]>('frames').get(0x0800)!
    expect(counts.reduce((a, b) => a + b)).toBe(2n)
  })

  it('static functions and variables of linked files may have the same names', async () => {
    const file = (name: string, factor: number) =>
      buildObject({
        license: 'GPL',
        globals: {
          [`total_${name}`]: {
            section: '.data.totals',
            type: types.u64,
            value: new Uint8Array(BigUint64Array.of(BigInt(factor)).buffer),
          },
        },
        functions: {
          times: {
            type: types.prototype(types.u64, { value: types.u64 }),
            instructions: [mov(r0, r1), mul(r0, factor), exit()],
          },
        },
        programs: {
          [name]: {
            section: 'xdp',
            instructions: [
              ldData(r6, `total_${name}`),
              ldx('u64', r1, r6),
              callFunction('times'),
              stx('u64', r6, 0, r0),
              exit(),
            ],
          },
        },
      })
    using object = await open(Linker.linkSync([file('one', 3), file('two', 5)]))
    expect(object.program('one').run()).toHaveRetval(9)
    expect(object.program('two').run()).toHaveRetval(25)
    expect([object.get('total_one'), object.get('total_two')]).toEqual([9n, 25n])
  })

  it('a test fills program arrays and maps of maps', async () => {
    const counter = { type: 'array', maxEntries: 1, key: types.u32, value: types.u64 } as const
    using object = await open(
      buildObject({
        license: 'GPL',
        maps: {
          jumps: { type: 'prog_array', maxEntries: 4, key: types.u32, value: types.u32 },
          outer: { type: 'array_of_maps', maxEntries: 2, key: types.u32, inner: counter },
          inner: counter,
        },
        programs: {
          jump: {
            section: 'xdp',
            instructions: [
              mov(r6, r1),
              ldMap(r2, 'jumps'),
              mov(r3, 2),
              call('tail_call'),
              mov(r0, 1),
              exit(),
            ],
          },
          look: {
            section: 'xdp',
            instructions: [
              st('u32', r10, -4, 1),
              mov(r2, r10),
              add(r2, -4),
              ldMap(r1, 'outer'),
              call('map_lookup_elem'),
              jeq(r0, 0, 'out'),
              st('u32', r10, -4, 0),
              mov(r1, r0),
              mov(r2, r10),
              add(r2, -4),
              call('map_lookup_elem'),
              jeq(r0, 0, 'out'),
              ldx('u64', r0, r0),
              label('out', exit()),
            ],
          },
        },
      }),
    )
    expect(object.program('jump').run()).toHaveRetval(1)
    expect(object.program('look').run()).toHaveRetval(0)
    object.map('inner').set(0, 77n)
    object.map('outer').set(1, object.map('inner'))
    object.map('jumps').set(2, object.program('look'))
    expect(object.program('jump').run()).toHaveRetval(77)
    expect(object.map('outer').delete(1)).toBe(true)
    expect(object.program('jump').run()).toHaveRetval(0)
    expect(object.map('jumps').delete(2)).toBe(true)
    expect(object.program('jump').run()).toHaveRetval(1)
  })

  it.skipIf(!kernelIs('5.14'))(
    'a syscall program submits records and changes its context (Linux 5.14)',
    async () => {
      const event = types.struct('event', { value: types.u64 })
      const bytes = buildObject({
        license: 'GPL',
        maps: { events: { type: 'ringbuf', maxEntries: 4096 } },
        globals: { unused: { type: types.pointer(event) } },
        programs: {
          p: {
            section: 'syscall',
            instructions: [
              mov(r6, r1),
              ldMap(r1, 'events'),
              ldx('u64', r2, r6),
              stx('u64', r10, -8, r2),
              mov(r2, r10),
              add(r2, -8),
              mov(r3, 8),
              mov({ register: 4 }, 0),
              call('ringbuf_output'),
              ldx('u64', r1, r6),
              mov(r2, 5),
              stx('u64', r6, 8, r2),
              mov(r0, r1),
              exit(),
            ],
          },
        },
      })
      using object = await open(bytes)
      const context = new Uint8Array(16)
      context[0] = 77
      expect(object.program('p').run({ context })).toHaveRetval(77)
      expect(object).toHaveSubmitted('events', 'event', [{ value: 77n }])
      expect(object.events('events')).toEqual([])
    },
  )
})
