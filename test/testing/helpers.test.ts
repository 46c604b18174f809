// Helpers that call back, or that keep state between calls.
import { readFileSync } from 'node:fs'
import {
  add,
  buildObject,
  call,
  exit,
  type Instruction,
  jeq,
  jne,
  label,
  ldFunction,
  ldMap,
  ldx,
  mov,
  type ObjectDefinition,
  r0,
  r1,
  r2,
  r3,
  r4,
  r5,
  r6,
  r10,
  st,
  stx,
  types,
} from 'libbpf-node/asm'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { objectPath } from '../helpers/objects.js'
import { slowness } from '../helpers/slowness.js'

const { u32, u64 } = types
const executors = ['compiled', 'interpreted'] as const

describe.each(executors)('helpers in the emulator, %s', (executor) => {
  const open = (definition: ObjectDefinition) =>
    Emulator.open(buildObject({ license: 'GPL', ...definition }), { executor })
  const run = (instructions: readonly Instruction[], more: ObjectDefinition = {}) =>
    open({ ...more, programs: { ...more.programs, p: { section: 'syscall', instructions } } })
  const callback = (instructions: readonly Instruction[]) => ({
    type: types.prototype(u64, { a: u64, b: u64, c: u64, d: u64 }),
    instructions,
  })

  it('bpf_loop calls a function until it returns 1', () => {
    const program = [st('u64', r10, -8, 0), mov(r1, 100), ldFunction(r2, 'each'), mov(r3, r10), add(r3, -8)]
    const emulator = run([...program, mov(r4, 0), call('loop'), exit()], {
      functions: {
        each: callback([
          ldx('u64', r3, r2),
          add(r3, r1),
          stx('u64', r2, 0, r3),
          mov(r0, 0),
          jne(r1, 9, 'out'),
          mov(r0, 1),
          label('out', exit()),
        ]),
      },
    })
    expect(emulator.program('p').run().retval).toBe(10)
  })

  it('bpf_for_each_map_elem visits every entry', () => {
    const emulator = run(
      [
        st('u64', r10, -8, 0),
        ldMap(r1, 'm'),
        ldFunction(r2, 'each'),
        mov(r3, r10),
        add(r3, -8),
        mov(r4, 0),
        call('for_each_map_elem'),
        ldx('u64', r0, r10, -8),
        exit(),
      ],
      {
        maps: { m: { type: 'hash', maxEntries: 10, key: u32, value: u64 } },
        functions: {
          each: callback([
            ldx('u64', r3, r3),
            ldx('u64', r5, r4),
            add(r5, r3),
            stx('u64', r4, 0, r5),
            mov(r0, 0),
            exit(),
          ]),
        },
      },
    )
    for (let i = 1; i <= 4; i++) emulator.map('m').set(i, BigInt(i))
    expect(emulator.program('p').run().retval).toBe(10)
  })

  it('bpf_tail_call goes on in another program, and returns if the slot is empty', () => {
    const jump = (slot: number) => [ldMap(r2, 'jumps'), mov(r3, slot), call('tail_call'), mov(r0, 1), exit()]
    const emulator = open({
      maps: { jumps: { type: 'prog_array', maxEntries: 2, keySize: 4, values: ['target'] } },
      programs: {
        full: { section: 'syscall', instructions: jump(0) },
        empty: { section: 'syscall', instructions: jump(1) },
        target: { section: 'syscall', instructions: [mov(r0, 77), exit()] },
      },
    })
    expect(emulator.program('full').run().retval).toBe(77)
    expect(emulator.program('empty').run().retval).toBe(1)
  })

  const value = (member: 'bpf_timer' | 'bpf_spin_lock') =>
    types.struct('value', {
      count: u64,
      state: types.struct(member, member === 'bpf_timer' ? { opaque: types.array(u64, 2) } : { val: u32 }),
    })
  const lookup = [st('u32', r10, -4, 0), mov(r2, r10), add(r2, -4), ldMap(r1, 'm'), call('map_lookup_elem')]
  const found = [...lookup, jne(r0, 0, 'found'), exit(), label('found', mov(r6, r0))]

  it('a timer fires when its time has come', () => {
    const timer = [mov(r1, r6), add(r1, 8)]
    const emulator = run(
      [
        ...found,
        ...timer,
        ldMap(r2, 'm'),
        mov(r3, 1),
        call('timer_init'),
        ...timer,
        ldFunction(r2, 'fired'),
        call('timer_set_callback'),
        ...timer,
        mov(r2, 1000),
        mov(r3, 0),
        call('timer_start'),
        exit(),
      ],
      {
        maps: { m: { type: 'array', maxEntries: 1, key: u32, value: value('bpf_timer') } },
        functions: {
          fired: callback([ldx('u64', r1, r3), add(r1, 1), stx('u64', r3, 0, r1), mov(r0, 0), exit()]),
        },
      },
    )
    const count = () => emulator.map<number, { count: bigint }>('m').get(0)!.count
    expect(emulator.program('p').run().retval).toBe(0)
    emulator.advance(999)
    expect(count()).toBe(0n)
    emulator.advance(1)
    emulator.advance(5000)
    expect(count()).toBe(1n)
  })

  it('a spin lock is an error if it is taken twice, or kept', () => {
    const lock = [mov(r1, r6), add(r1, 8), call('spin_lock')]
    const unlock = [mov(r1, r6), add(r1, 8), call('spin_unlock')]
    const maps = { m: { type: 'array', maxEntries: 1, key: u32, value: value('bpf_spin_lock') } } as const
    const locked = (...middle: Instruction[]) =>
      run([...found, ...lock, ...middle, mov(r0, 5), exit()], { maps }).program('p')
    expect(locked(...unlock).run().retval).toBe(5)
    expect(() => locked(...lock).run()).toThrow(/^bpf_spin_lock: the lock is held already/)
    expect(() => locked().run()).toThrow(/kept a lock; bpf_spin_unlock has to follow/)
  })

  it('a record is reserved, written and submitted through a dynptr', () => {
    const dynptr = (register: typeof r1) => [mov(register, r10), add(register, -16)]
    const emulator = run(
      [
        st('u64', r10, -24, 7),
        ldMap(r1, 'r'),
        mov(r2, 8),
        mov(r3, 0),
        ...dynptr(r4),
        call('ringbuf_reserve_dynptr'),
        ...dynptr(r1),
        mov(r2, 0),
        mov(r3, r10),
        add(r3, -24),
        mov(r4, 8),
        mov(r5, 0),
        call('dynptr_write'),
        mov(r6, r0),
        ...dynptr(r1),
        mov(r2, 4),
        mov(r3, 8),
        call('dynptr_data'),
        jeq(r0, 0, 'too-long'),
        mov(r6, 1),
        label('too-long', mov(r1, r10)),
        add(r1, -16),
        mov(r2, 0),
        call('ringbuf_submit_dynptr'),
        mov(r0, r6),
        exit(),
      ],
      { maps: { r: { type: 'ringbuf', maxEntries: 4096 } } },
    )
    expect(emulator.program('p').run().retval).toBe(0)
    expect(emulator.events('r')).toEqual([Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0)])
  })

  it('a helper may read the padding of a struct on the stack, but nothing else that was never written', () => {
    const submit = (size: number) =>
      run(
        [
          st('u64', r10, -24, 1),
          st('u32', r10, -16, 2),
          ldMap(r1, 'r'),
          mov(r2, r10),
          add(r2, -24),
          mov(r3, size),
          mov(r4, 0),
          call('ringbuf_output'),
          exit(),
        ],
        { maps: { r: { type: 'ringbuf', maxEntries: 4096 } } },
      ).program('p')
    expect(submit(16).run().retval).toBe(0)
    expect(() => submit(20).run()).toThrow(
      /^bpf_ringbuf_output: the byte at r10 - 12 of the stack was never written/,
    )
  })

  it('runs a hundred thousand packets without running out of memory', () => {
    const emulator = open({ programs: { p: { section: 'xdp', instructions: [mov(r0, 2), exit()] } } })
    const size = () => emulator.machine.memory.bytes.length
    const packet = new Uint8Array(64)
    emulator.program('p').run({ packet })
    const before = size()
    for (let i = 0; i < 100_000 / slowness; i++) emulator.program('p').run({ packet })
    expect(size()).toBe(before)
  })

  it('opens an object that only asks whether a kernel function exists', () => {
    const emulator = Emulator.open(readFileSync(objectPath('attach-trace')), { executor })
    expect(emulator.programs.size).toBeGreaterThan(0)
  })
})
