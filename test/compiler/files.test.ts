import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { BpfObject } from 'libbpf-node'
import { type CompileError, compile } from 'libbpf-node/kernel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'libbpf-node-files-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** Compiles the first of some files. */
function compileFiles(files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  const [[file, text] = ['', '']] = Object.entries(files)
  return compile(text, { file, resolveDir: folder })
}

function messageOf(files: Record<string, string>): string {
  try {
    compileFiles(files)
  } catch (error) {
    return (error as CompileError).message
  }
  throw new Error('it compiles')
}

const program = (body: string) => `export const run = syscall(() => {\n  ${body}\n  return 0\n})\n`

describe('imports of files', () => {
  it('brings types, constants, enums, functions, maps and global variables', async () => {
    const { object, imported } = compileFiles({
      'main.bpf.ts': `
        import { data, syscall, u32, type u64 } from 'libbpf-node/kernel'
        import { add, calls, type Pair, State } from './parts/shared.js'
        export let sum = data<u64>(0)
        export const run = syscall(() => {
          const pair: Pair = { a: 1, b: [2, 3, State.on] }
          sum = add(pair)
          calls.add(u32(0), 1)
          return 0
        })`,
      'parts/shared.ts': `
        import { array, type u32, type u64 } from 'libbpf-node/kernel'
        import { length } from './length'
        export enum State { off = 40, on }
        export interface Pair { a: u32; b: array<u32, typeof length> }
        export const calls = array<u64>(1)
        export function add(pair: Pair): u64 {
          return pair.a + pair.b[0] + pair.b[1] + pair.b[2]
        }`,
      'parts/length.ts': 'export const length = 3',
    })
    expect(imported).toEqual([join(folder, 'parts/length.ts'), join(folder, 'parts/shared.ts')])
    await using loaded = BpfObject.open(object)
    await loaded.load()
    await loaded.program('run').testRun({})
    expect(loaded.globals('.data')).toMatchObject({ sum: 47n })
    expect(loaded.map<number, bigint>('calls').get(0)).toBe(1n)
  })

  it('leaves out programs, the license and what only tsc needs', () => {
    const { programs } = compileFiles({
      'main.bpf.ts': `import { syscall } from 'libbpf-node/kernel'
        import { limit } from './other.bpf'
        import type { Settings } from './user.js'
        import type { kernel } from './kernel.d.ts'
        ${program('if (limit > 5) return 1')}`,
      'other.bpf.ts': `import { syscall } from 'libbpf-node/kernel'
        export const limit = 7
        export const other = syscall(() => 0)
        export const license = 'Proprietary'`,
      'user.ts': `import { readFileSync } from 'node:fs'
        export interface Settings { name: string }
        export class Reader {}
        console.log(readFileSync('x'))`,
    })
    expect(programs.map(({ name }) => name)).toEqual(['run'])
  })

  it('works for files that import each other', () => {
    const { programs } = compileFiles({
      'main.bpf.ts': `import { syscall } from 'libbpf-node/kernel'
        import { b } from './b.js'
        export const a = 1
        ${program('if (b === 2) return a')}`,
      'b.ts': `import { a } from './main.bpf.js'\nexport const b = 2`,
    })
    expect(programs.length).toBe(1)
  })

  it('names the file in which a mistake is', () => {
    const main = `import { f } from './parts/f.js'\n${program('f()')}`
    expect(
      messageOf({ 'main.bpf.ts': main, 'parts/f.ts': 'export function f(): void {\n  bpf.nothing()\n}' }),
    ).toBe("parts/f.ts:2:7: there is no helper 'nothing'\n\n    bpf.nothing()\n        ^^^^^^^")
    expect(messageOf({ 'main.bpf.ts': main, 'parts/f.ts': '\nexport function f( {' })).toMatch(
      /^parts\/f\.ts:2:/,
    )
  })

  it.each([
    [
      { 'a.bpf.ts': "import { x } from './b.js'", 'b.ts': 'export const y = 1\nconst x = 2' },
      "a.bpf.ts:1:10: './b.js' exports no 'x'",
    ],
    [{ 'a.bpf.ts': "import { x } from './b.js'" }, "a.bpf.ts:1:19: there is no file './b.ts'"],
    [{ 'a.bpf.ts': "import { x } from '../b'" }, "a.bpf.ts:1:19: there is no file '../b.ts'"],
    [
      { 'a.bpf.ts': "import { x } from './b'\nconst y = 1", 'b.ts': 'export const x = 1\nconst y = 2' },
      "b.ts:2:7: 'y' is also declared in a.bpf.ts:2",
    ],
    [
      { 'a.bpf.ts': "import { x as z } from './b'", 'b.ts': 'export const x = 1' },
      'a.bpf.ts:1:10: on the kernel side, what is imported keeps its name',
    ],
    [
      { 'a.bpf.ts': "import * as b from './b'", 'b.ts': 'export const x = 1' },
      'a.bpf.ts:1:8: on the kernel side, everything is imported by its name',
    ],
    [
      { 'a.bpf.ts': "import { x } from './b'", 'b.ts': "import { y } from 'node:fs'\nexport const x = 1" },
      "b.ts:1:19: a program in the kernel cannot import 'node:fs'",
    ],
    [
      {
        'a.bpf.ts': `import { x, f } from './b'\n${program('f()')}`,
        'b.ts':
          "import { u64 } from 'libbpf-node/kernel'\nexport const x = 1\nexport function f(): u32 { return 1 }",
      },
      "b.ts:3:22: 'u32' is not imported",
    ],
  ])('refuses %j', (files, expected) => {
    expect(messageOf(files).split('\n')[0]).toBe(expected)
  })
})
