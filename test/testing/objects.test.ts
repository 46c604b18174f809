// Objects in the emulator that programs do not use as they should, which the verifier would refuse. test/compiler/maps has
// programs that do, and compares them with the kernel.
import {
  buildObject,
  callKfunc,
  exit,
  type Instruction,
  ldx,
  mov,
  r0,
  r1,
  r2,
  r6,
  r10,
  st,
  stx,
  types,
} from 'libbpf-node/asm'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'

const { u64, pointer, prototype, s32, struct, voidType } = types
const anything = pointer(voidType)
const job = struct('job', { id: u64, link: struct('bpf_list_node', { a: types.array(u64, 3) }) })

const externs = {
  bpf_obj_new_impl: { kind: 'kfunc', type: prototype(anything, { id: u64, meta: anything }) },
  bpf_obj_drop_impl: { kind: 'kfunc', type: prototype(voidType, { object: anything, meta: anything }) },
  bpf_list_push_back_impl: {
    kind: 'kfunc',
    type: prototype(s32, { head: anything, node: anything, meta: anything, off: u64 }),
  },
} as const

describe('objects in the emulator', () => {
  const allocate: readonly Instruction[] = [
    // The number of the type in the object's own types.
    { ...mov(r1, 0), core: { type: job, access: '0', kind: 6 } },
    mov(r2, 0),
    callKfunc('bpf_obj_new_impl'),
    mov(r6, r0),
  ]
  const drop = [mov(r1, r6), mov(r2, 0), callKfunc('bpf_obj_drop_impl')]
  const end = [mov(r0, 0), exit()]
  const run = (...instructions: readonly (readonly Instruction[])[]) => {
    const p = { section: 'syscall', instructions: [...allocate, ...instructions.flat()] }
    return Emulator.open(buildObject({ license: 'GPL', externs, programs: { p } }))
      .program('p')
      .run()
  }

  it('are not clear', () => {
    const [, ...dropped] = drop
    // What the object has is returned in r0, which the drop does not keep.
    const read = [ldx('u64', r1, r6), stx('u64', r10, -8, r1), mov(r1, r6)]
    expect(run(read, dropped, [ldx('u64', r0, r10, -8), exit()]).retval).toBe(0xaaaaaaaa)
  })

  it('have to be given back', () => {
    expect(() => run(end)).toThrow(
      'the program ended and kept a reference to an object; bpf_obj_drop, or a list or a tree, has to follow',
    )
  })

  it('are given back once', () => {
    expect(() => run(drop, drop, end)).toThrow('bpf_obj_drop: this is not an object of bpf_obj_new')
  })

  it('are not there any longer when they were given back', () => {
    expect(() => run(drop, [ldx('u64', r0, r6)], end)).toThrow('an object was given up by bpf_obj_drop')
  })

  it('are put into a list while its lock is held', () => {
    const push = [st('u64', r10, -16, 0), mov(r1, r10), mov(r2, r6), callKfunc('bpf_list_push_back_impl')]
    expect(() => run(push, end)).toThrow('bpf_list_push_back: the lock next to it is not held')
  })
})
