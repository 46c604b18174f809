// The TypeScript in the documents that is no whole program says nothing that the types contradict. README.md and docs/typed-data.md are run: see
// readme.test.ts, codegen/installed.test.ts and typed-data.test.ts.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root, tsc, useFolder } from '../codegen/helper.js'

const folder = useFolder()

/** What the pieces take for granted. */
const known = `
import {
  BPF_NOEXIST, BpfMap, BpfObject, dumpProgram, enableStats, features, kernelFunctions, openMap, programs, type RingBuffer,
} from 'libbpf-node'
declare const obj: BpfObject
declare const ring: RingBuffer
declare const otherMap: BpfMap
declare const id: number
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

it.each(['guide', 'maps'])('docs/%s.md', async (name) => {
  const text = readFileSync(join(root, 'docs', `${name}.md`), 'utf8')
  const pieces = [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code)
  expect(pieces.length).toBeGreaterThan(3)
  const functions = pieces.map((code, i) => `export async function piece${i}() {\n${code}}\n`)
  writeFileSync(join(folder, `${name}.ts`), known + functions.join(''))
  expect(await tsc(folder, lenient)).toBe('')
})
