import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BpfObject, Linker } from 'libbpf-node'
import {
  add,
  buildObject,
  call,
  callFunction,
  exit,
  jeq,
  label,
  ldData,
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
  r6,
  r10,
  st,
  stx,
  types,
} from 'libbpf-node/asm'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { objectPath } from '../helpers/objects.js'

const hasTools = ['bpftool', 'llvm-objdump-16'].every(
  (tool) => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error === undefined,
)
const { u32, u64 } = types

/** Counts its runs in a map and a variable, and calls a function. */
const counting: ObjectDefinition = {
  license: 'GPL',
  maps: { counts: { type: 'array', maxEntries: 2, key: u32, value: u64 } },
  globals: {
    step: { section: '.rodata', type: u32, value: new Uint8Array(Uint32Array.of(3).buffer) },
    total: { type: u64 },
  },
  functions: {
    twice: {
      type: types.prototype(u64, { value: u64 }),
      instructions: [mov(r0, r1), add(r0, r1), exit()],
    },
  },
  programs: {
    count: {
      section: 'tc',
      instructions: [
        st('u32', r10, -4, 1),
        mov(r2, r10),
        add(r2, -4),
        ldMap(r1, 'counts'),
        call(1),
        jeq(r0, 0, 'out'),
        mov(r6, r0),
        ldData(r1, 'step'),
        ldx('u32', r1, r1),
        callFunction('twice'),
        ldx('u64', r1, r6),
        add(r1, r0),
        stx('u64', r6, 0, r1),
        ldData(r2, 'total'),
        stx('u64', r2, 0, r1),
        label('out', mov(r0, 7)),
        exit(),
      ],
    },
  },
}

const data = new Uint8Array(64)

describe('buildObject', () => {
  it('builds a program with a map, variables and a function that the kernel runs', () => {
    using object = BpfObject.open(buildObject(counting))
    expect(object.rodata.step).toBe(3)
    object.loadSync()
    const { retval } = object.program('count').testRunSync({ data })
    object.program('count').testRunSync({ data })
    expect(retval).toBe(7)
    expect(object.map<number, bigint>('counts').get(1)).toBe(12n)
    expect(object.bss.total).toBe(12n)
  })

  requiresKernel('5.13', 'passes the address of a function, which the kernel calls', () => {
    const parameters = {
      map: types.pointer(types.voidType),
      key: types.pointer(u32),
      value: types.pointer(u64),
    }
    using object = BpfObject.open(
      buildObject({
        license: 'GPL',
        maps: { counts: { type: 'array', maxEntries: 3, key: u32, value: u64 } },
        functions: {
          // In front of it, so that it does not begin where the section does.
          other: { type: types.prototype(u64, { value: u64 }), instructions: [mov(r0, r1), exit()] },
          each: {
            type: types.prototype(types.s64, parameters),
            instructions: [st('u64', r3, 0, 9), mov(r0, 0), exit()],
          },
        },
        programs: {
          p: {
            section: 'tc',
            instructions: [
              callFunction('other'),
              ldMap(r1, 'counts'),
              ldFunction(r2, 'each'),
              mov(r3, 0),
              mov(r4, 0),
              call('for_each_map_elem'),
              exit(),
            ],
          },
        },
      }),
    )
    object.loadSync()
    expect(object.program('p').testRunSync({ data }).retval).toBe(3)
    expect([...object.map<number, bigint>('counts').values()]).toEqual([9n, 9n, 9n])
  })

  it('puts programs into a program array', () => {
    using object = BpfObject.open(
      buildObject({
        license: 'GPL',
        maps: {
          next: {
            type: 'prog_array',
            maxEntries: 2,
            keySize: 4,
            valueSize: 4,
            values: [undefined, 'second'],
          },
        },
        programs: {
          p: {
            section: 'xdp',
            instructions: [ldMap(r2, 'next'), mov(r3, 1), call('tail_call'), mov(r0, 1), exit()],
          },
          second: { section: 'xdp', instructions: [mov(r0, 3), exit()] },
        },
      }),
    )
    object.loadSync()
    expect(object.program('p').testRunSync({ data }).retval).toBe(3)
  })

  it('gives the same bytes for the same definition', () => {
    expect(buildObject(counting)).toEqual(buildObject(counting))
  })

  it.each(['before', 'behind'])('is linked with an object from clang, %s it', (place) => {
    const library = buildObject({
      license: 'GPL',
      maps: { results: { type: 'array', maxEntries: 4, key: u32, value: u64 } },
      globals: { factor: { type: types.s32, value: new Uint8Array(Uint32Array.of(10).buffer) } },
      functions: {
        twice: {
          linkage: 'global',
          type: types.prototype(types.s32, { number: types.s32 }),
          instructions: [mov(r0, r1), add(r0, r1), exit()],
        },
      },
    })
    const main = readFileSync(objectPath('linked-main'))
    using object = BpfObject.open(Linker.linkSync(place === 'before' ? [library, main] : [main, library]))
    object.loadSync()
    expect(object.program('calculate').testRunSync({ data }).retval).toBe(2 * data.length * 10)
    expect(object.map<number, bigint>('results').get(1)).toBe(BigInt(2 * data.length * 10))
  })

  it.skipIf(!hasTools)('writes what LLVM and bpftool read (bpftool is not installed)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'asm-'))
    try {
      const path = join(folder, 'counting.bpf.o')
      writeFileSync(path, buildObject(counting))
      const text = execFileSync('llvm-objdump-16', ['-dr', path], { encoding: 'utf8' })
      expect(text).toMatch(/call -?0x?1?/)
      expect(text).toContain('R_BPF_64_64\tcounts')
      const skeleton = execFileSync('bpftool', ['gen', 'skeleton', path], { encoding: 'utf8' })
      expect(skeleton).toContain('struct bpf_program *count;')
      const btf = execFileSync('bpftool', ['btf', 'dump', 'file', path], { encoding: 'utf8' })
      expect(btf).toMatch(/FUNC 'twice' type_id=\d+ linkage=static/)
      const elf = spawnSync('llvm-readelf-16', ['-aW', path], { encoding: 'utf8' })
      expect(elf.stderr).toBe('')
      expect(elf.stdout).toMatch(/FUNC +GLOBAL +DEFAULT +\d+ count$/m)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
