import { fileURLToPath } from 'node:url'
import {
  add,
  buildObject,
  call,
  exit,
  jeq,
  jne,
  label,
  ldMap,
  ldx,
  mov,
  type ObjectDefinition,
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
import { Emulator, EmulatorError, struct } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'

const example = (name: string): string =>
  fileURLToPath(new URL(`../../dist/examples/${name}/${name}.bpf.o`, import.meta.url))

const executors = ['compiled', 'interpreted'] as const

describe.each(executors)('Emulator, %s', (executor) => {
  it('runs an XDP program on packets', () => {
    const emulator = Emulator.open(example('xdp-count'), { executor })
    const frame = new Uint8Array(64)
    new DataView(frame.buffer).setUint16(12, 0x0806)
    for (let i = 0; i < 3; i++)
      expect(emulator.program('count').run({ packet: frame }).action).toBe('XDP_PASS')
    expect(emulator.program('count').run({ packet: new Uint8Array(10) }).action).toBe('XDP_PASS')
    expect([...emulator.map('frames')]).toEqual([[0x0806, [3n, 0n]]])
  })

  it('runs a raw tracepoint program on kernel structs, and takes its records', () => {
    const emulator = Emulator.open(example('raw-tracepoint'), { executor, tgid: 7, pid: 8, comm: 'kill' })
    const run = (code: number) =>
      emulator.program('on_signal').run({
        args: [
          15,
          struct('kernel_siginfo', { si_code: code }),
          struct('task_struct', { tgid: 42, comm: 'victim' }),
        ],
      })
    run(0)
    run(128)
    expect(emulator.events('signals', 'signal')).toEqual([
      { number: 15, pid: 42, comm: 'victim', sender: 7, sender_comm: 'kill' },
    ])
    expect(emulator.events('signals')).toEqual([])
  })

  const mistakes: [string, NonNullable<ObjectDefinition['programs']>[string]['instructions'], RegExp][] = [
    [
      'a NULL pointer',
      [
        st('u32', r10, -4, 9),
        mov(r2, r10),
        add(r2, -4),
        ldMap(r1, 'm'),
        call('map_lookup_elem'),
        ldx('u64', r0, r0),
        exit(),
      ],
      /^load: the pointer is NULL, in 'p' at instruction 5/,
    ],
    [
      'the stack below its end',
      [mov(r0, 0), stx('u64', r10, -520, r0), exit()],
      /^store: 8 bytes at r10 - 520 are out of bounds of the stack/,
    ],
    [
      'stack that was never written',
      [ldx('u32', r0, r10, -4), exit()],
      /^load: the byte at r10 - 4 of the stack was never written/,
    ],
    [
      'a number as a pointer',
      [mov(r1, 0x7fff_ffff), ldx('u32', r0, r1), exit()],
      /^load: 0x7fffffff is a number and not a pointer/,
    ],
    [
      'a value beyond its size',
      [
        st('u32', r10, -4, 0),
        mov(r2, r10),
        add(r2, -4),
        ldMap(r1, 'm'),
        call('map_lookup_elem'),
        jne(r0, 0, 'found'),
        exit(),
        label('found', ldx('u64', r0, r0, 4)),
        exit(),
      ],
      /^load: 8 bytes at offset 4 are out of bounds of a value of map 'm', which has 8 bytes/,
    ],
    [
      'a record that is kept',
      [ldMap(r1, 'r'), mov(r2, 8), mov(r3, 0), call('ringbuf_reserve'), mov(r0, 0), exit()],
      /^the program ended and kept a record of ring buffer 'r'; bpf_ringbuf_submit or bpf_ringbuf_discard has to follow, in 'p' at instruction 3/,
    ],
    [
      'a record after it was submitted',
      [
        ldMap(r1, 'r'),
        mov(r2, 8),
        mov(r3, 0),
        call('ringbuf_reserve'),
        jeq(r0, 0, 'out'),
        mov(r6, r0),
        mov(r1, r0),
        mov(r2, 0),
        call('ringbuf_submit'),
        st('u32', r6, 0, 1),
        label('out', mov(r0, 0)),
        exit(),
      ],
      /^store: the record of ring buffer 'r' was given up by bpf_ringbuf_submit, in 'p' at instruction 9/,
    ],
    [
      'a loop without an end',
      [mov(r0, 0), label('top', add(r0, 1)), jne(r0, 0, 'top'), exit()],
      /ran longer than its budget/,
    ],
    [
      'a helper that is not emulated',
      [call('override_return'), exit()],
      /^helper bpf_override_return is not emulated/,
    ],
  ]

  it.each(mistakes)('finds the access of %s', (_, instructions, message) => {
    const emulator = Emulator.open(
      buildObject({
        license: 'GPL',
        maps: {
          m: { type: 'array', maxEntries: 1, key: types.u32, value: types.u64 },
          r: { type: 'ringbuf', maxEntries: 4096 },
        },
        programs: { p: { section: 'syscall', instructions } },
      }),
      { executor, budget: 5_000_000 },
    )
    expect(() => emulator.program('p').run()).toThrow(EmulatorError)
    expect(() => emulator.program('p').run()).toThrow(message)
  })
})
