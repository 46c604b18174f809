// Checks the TypeScript in pages that show pieces and not whole programs. Other tests run what can be run:
// cookbook.test.ts, readme.test.ts and typed-data.test.ts.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { tsc, useFolder } from '../codegen/helper.js'
import { codeBlocks, readPage } from './blocks.js'

const folder = useFolder()

/** What the pieces take for granted. */
const known = `
import {
  BPF_F_RDONLY, BPF_NOEXIST, BpfMap, BpfObject, Btf, cgroupTree, detachCgroup, detachXdp, dumpProgram, enableStats,
  features, jsonReplacer, kernelFunctions, type LateChange, type Link,
  listPins, networkPrograms, openMap, openPin, OrderedEvents,
  PacketSocket, PerfEvent, perfPrograms, Program, programs, type RingBuffer, TcHook,
} from 'libbpf-node'
declare const obj: BpfObject
interface Exec { pid: number; comm: string; duration: bigint }
declare const ring: RingBuffer<Exec>
declare const slow: Exec[]
declare const otherMap: BpfMap
declare const id: number
declare const programId: number
declare const pid: number
declare const address: bigint
declare const path: string
declare const datagram: Uint8Array
declare const link: Link
declare const next: Program
declare const before: Program
declare function use(value: unknown): void
interface Prefix { prefixlen: number; address: Uint8Array }
interface Counter { packets: bigint; limit: number }
`

const lenient = {
  noUnusedLocals: false,
  noUnusedParameters: false,
  noUncheckedIndexedAccess: false,
  noPropertyAccessFromIndexSignature: false,
}

describe('TypeScript in the documentation', () => {
  it.each(['attaching', 'events', 'guide', 'maps', 'symbols', 'xdp'])(
    'docs/%s.md agrees with the types',
    async (name) => {
      const pieces = codeBlocks(readPage(`docs/${name}.md`), 'ts')
      expect(pieces.length).toBeGreaterThan(0)
      const imports = new Set(pieces.join('').match(/^import \{[^}]*\} from .*$/gm))
      const bodies = pieces.map((code) => code.replace(/^import \{[^}]*\} from .*$/gm, ''))
      const functions = bodies.map((code, i) => `export async function piece${i}() {\n${code}}\n`)
      writeFileSync(join(folder, `${name}.ts`), [...imports].join('\n') + known + functions.join(''))
      expect(await tsc(folder, lenient)).toBe('')
    },
  )

  it('docs/hooks.md has a program that prints the parameters of a kernel function', async () => {
    const [program = ''] = codeBlocks(readPage('docs/hooks.md'), 'ts')
    writeFileSync(join(folder, 'parameters.ts'), program)
    expect(await tsc(folder, lenient)).toBe('')
    const printed = execFileSync(process.execPath, [join(folder, 'parameters.js'), 'vfs_read'], {
      encoding: 'utf8',
    })
    expect(codeBlocks(readPage('docs/hooks.md'), 'text')).toContain(printed)
  })
})
