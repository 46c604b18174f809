import { BpfObject } from 'libbpf-node'
import {
  add,
  assemble,
  buildObject,
  call,
  callFunction,
  disassemble,
  exit,
  helperNumber,
  type Instruction,
  ldData,
  ldMap,
  ldx,
  mov,
  r0,
  r1,
  r2,
  r10,
  splice,
  st,
  stx,
  types,
} from 'libbpf-node/asm'
import { describe, expect, it } from 'vitest'
import { open, thrownBy } from '../helpers/objects.js'

const line = (number: number) => ({ file: 'a.c', line: number, column: 1, text: `line ${number}` })

/** Returns the time, and counts in a variable with a function. */
const counting = buildObject({
  license: 'GPL',
  maps: { counts: { type: 'array', maxEntries: 1, key: types.u32, value: types.u64 } },
  globals: { total: { type: types.u64 } },
  functions: {
    next: {
      type: types.prototype(types.u64, { value: types.u64 }),
      instructions: [{ ...mov(r0, r1), line: line(10) }, { ...add(r0, 1), line: line(11) }, exit()],
    },
  },
  programs: {
    count: {
      section: 'tc',
      instructions: [
        { ...st('u32', r10, -4, 0), line: line(1) },
        mov(r2, r10),
        add(r2, -4),
        ldMap(r1, 'counts'),
        call('map_lookup_elem'),
        mov(r2, 9),
        { ...ldData(r1, 'total'), line: line(2) },
        ldx('u64', r1, r1),
        callFunction('next'),
        { ...ldData(r1, 'total'), line: line(3) },
        stx('u64', r1, 0, r0),
        { ...call('ktime_get_ns'), line: line(4) },
        exit(),
      ],
    },
  },
})

const isClockCall = ({ code, src, imm }: Instruction): boolean =>
  code === 0x85 && src === 0 && imm === helperNumber('ktime_get_ns')

describe('Program.instructions between prepare and load', () => {
  it('replaces a helper call by a constant', () => {
    using object = BpfObject.open(counting)
    object.prepareSync()
    const program = object.program('count')
    const code = disassemble(program.instructions)
    expect(code.filter(isClockCall)).toHaveLength(1)
    program.instructions = assemble(code.map((one) => (isClockCall(one) ? { ...mov(r0, 77) } : one)))
    object.loadSync()
    expect(program.testRunSync({ data: new Uint8Array(64) }).retval).toBe(77)
    expect(object.bss.total).toBe(1n)
  })

  it.each([
    ['inserts', 1, 0, [mov(r2, 1), mov(r2, 2), mov(r2, 3)]],
    ['removes', 5, 1, []],
    ['inserts in front of everything', 0, 0, [mov(r2, 1)]],
  ] as const)('%s instructions; functions and C lines move along', (_, start, count, inserted) => {
    using object = BpfObject.open(counting)
    object.prepareSync()
    const program = object.program('count')
    const before = program.instructionCount
    program.instructions = assemble(splice(disassemble(program.instructions), start, count, ...inserted))
    expect(program.instructionCount).toBe(before + inserted.length - count)
    object.loadSync()
    program.testRunSync({ data: new Uint8Array(64) })
    expect(object.bss.total).toBe(1n)
    const lines = program.dump().instructions.filter(({ source }) => source !== undefined)
    const last = lines.find(({ source }) => source!.line === 4)
    expect(last?.text).toMatch(/call/)
    expect(lines.find(({ source }) => source!.line === 11)?.text).toBe('(07) r0 += 1')
  })

  it('keeps the addresses of maps, which prepare put in', () => {
    using object = open('exec')
    object.prepareSync()
    const program = object.programs.values().next().value!
    const bytes = program.instructions
    program.instructions = assemble(disassemble(bytes))
    expect(program.instructions).toEqual(bytes)
    object.loadSync()
    expect(program.loaded).toBe(true)
  })

  it('refuses to set them before prepare and after load, and bytes that are no instructions', () => {
    using object = BpfObject.open(counting)
    const program = object.program('count')
    const { instructions } = program
    const set = () => {
      program.instructions = instructions
    }
    expect(thrownBy(set)).toMatchObject({
      code: 'ERR_BPF_STATE',
      message: expect.stringMatching(
        /^set the instructions of program 'count' of object '.*': it is not prepared yet; call prepare\(\) first$/,
      ),
    })
    object.prepareSync()
    const prepared = program.instructions
    for (const bytes of [new Uint8Array(0), new Uint8Array(12)]) {
      expect(() => {
        program.instructions = bytes
      }).toThrow(/is not a number of instructions/)
    }
    program.instructions = prepared
    object.loadSync()
    expect(thrownBy(set)).toMatchObject({
      code: 'ERR_BPF_STATE',
      message: expect.stringMatching(/it is already loaded/),
    })
  })
})
