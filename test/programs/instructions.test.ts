import { BpfObject, type Program } from 'libbpf-node'
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
  jeq,
  jne,
  label,
  ldData,
  ldImm64,
  ldMap,
  ldx,
  mov,
  r0,
  r1,
  r2,
  r6,
  r7,
  r10,
  splice,
  st,
  stx,
  types,
} from 'libbpf-node/asm'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
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

  describe('C lines and functions', () => {
    const at = (number: number, instruction: Instruction): Instruction => ({
      ...instruction,
      line: line(number),
    })
    /** A line for each instruction, a loop, a wide constant and a function. */
    const lined = buildObject({
      license: 'GPL',
      functions: {
        twice: {
          type: types.prototype(types.u64, { value: types.u64 }),
          instructions: [at(20, mov(r0, r1)), at(21, add(r0, r0)), at(22, exit())],
        },
      },
      programs: {
        p: {
          section: 'syscall',
          instructions: [
            at(1, mov(r6, 0)),
            at(2, mov(r7, 3)),
            label('top', at(3, add(r6, r7))),
            at(4, add(r7, -1)),
            at(5, jne(r7, 0, 'top')),
            at(6, ldImm64(r1, 0x1_0000_0001n)),
            at(7, mov(r1, r6)),
            at(8, callFunction('twice')),
            at(9, jeq(r0, 1000, 'out')),
            at(10, add(r0, 1)),
            label('out', at(11, exit())),
          ],
        },
      },
    })

    type Edit = (code: Instruction[]) => Instruction[]
    const remove =
      (...places: number[]): Edit =>
      (code) =>
        places.toSorted((a, b) => b - a).reduce<Instruction[]>((list, place) => splice(list, place, 1), code)
    const inFront =
      (place: number, ...inserted: Instruction[]): Edit =>
      (code) =>
        splice(code, place, 0, ...inserted)
    const replace =
      (place: number, count: number, ...by: Instruction[]): Edit =>
      (code) =>
        splice(code, place, count, ...by)

    const edits: [string, Edit, retval: number, kept: number[], gone: number[]][] = [
      ['one instruction is removed', remove(5), 13, [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 20, 21, 22], [6]],
      ['several are removed', remove(3, 4, 5, 8), 7, [1, 2, 3, 7, 8, 10, 11, 20, 21, 22], [4, 5, 6, 9]],
      ['most are removed', remove(1, 2, 3, 4, 5, 8, 9), 0, [1, 7, 8, 11, 20, 22], [2, 3, 4, 5, 6, 9, 10]],
      [
        'a wide constant takes the place of three',
        replace(2, 3, ldImm64(r6, 8n)),
        17,
        [1, 2, 6, 7, 20],
        [3, 4],
      ],
      [
        'some are inserted into a loop, and one behind it is removed',
        (code) => remove(10)(inFront(3, mov(r2, 5), mov(r2, 6))(code)),
        13,
        [3, 4, 5, 7, 8, 10, 20],
        [9],
      ],
      ['the first of a function is replaced', replace(11, 1, mov(r0, 50)), 101, [8, 20, 21], []],
      ['a loop is replaced', replace(2, 3, mov(r6, 1), mov(r6, 2), mov(r6, 3)), 7, [1, 3, 4, 5, 6, 21], []],
    ]

    for (const [name, edit, retval, kept, gone] of edits) {
      requiresKernel('5.14', `move along when ${name}`, () => {
        using object = BpfObject.open(lined)
        object.prepareSync()
        const program = object.program('p')
        program.instructions = assemble(edit(disassemble(program.instructions)))
        object.loadSync()
        expect(program.testRunSync().retval).toBe(retval)
        const dumped = program.dump()
        const lines = dumped.instructions.flatMap(({ source }) => (source === undefined ? [] : [source.line]))
        expect(lines).toEqual(expect.arrayContaining(kept))
        for (const number of gone) expect(lines).not.toContain(number)
        expect(dumped.instructions.filter((one) => one.function !== undefined)).toHaveLength(2)
        // A line's own instruction stays its own.
        expect(dumped.instructions.find(({ source }) => source?.line === 8)?.text).toMatch(/call pc/)
      })
    }
  })

  it.each(['exec', 'core', 'globals', 'tail-calls'])(
    'inserts and removes at random in %s.bpf.o; C lines stay',
    (name) => {
      const seed = Number(process.env.LIBBPF_NODE_SEED ?? Date.now() % 1_000_000)
      let state = seed
      const isChosen = (): boolean => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0
        return state >>> 30 === 0
      }
      const linesOf = (change: (program: Program) => void): string[] => {
        using object = open(name)
        object.prepareSync()
        for (const program of object.programs.values()) change(program)
        object.loadSync()
        return [...object.programs.values()].flatMap((program) =>
          program.dump().instructions.map(({ text, source }) => `${text.slice(0, 4)} ${source?.line}`),
        )
      }
      // The verifier removes jumps to the next instruction. What follows an exit or another jump is not reached.
      const next: Instruction = { code: 0x05, dst: 0, src: 0, offset: 0, imm: 0 }
      const insert = (program: Program): void => {
        const longer = disassemble(program.instructions).flatMap((one) =>
          [0x95, 0x05].includes(one.code) || !isChosen() ? [one] : [one, next],
        )
        program.instructions = assemble(longer)
      }
      const original = linesOf(() => {})
      expect(linesOf(insert), `seed ${seed}`).toEqual(original)
      const thereAndBack = (program: Program): void => {
        const { instructions } = program
        insert(program)
        program.instructions = instructions
      }
      expect(linesOf(thereAndBack), `seed ${seed}`).toEqual(original)
    },
  )

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
