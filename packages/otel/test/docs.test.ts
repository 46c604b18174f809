// The TypeScript in docs/otel.md is what readers copy.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { codeBlocks, readPage } from '../../../test/docs/blocks.js'

const here = fileURLToPath(new URL('.', import.meta.url))
const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))

/** What the pieces take for granted. */
const known = `
import type { BpfObject, RingBuffer } from 'libbpf-node'
declare const obj: BpfObject
declare const containers: import('@libbpf-node/otel/containers').Containers
declare const event: { cgroup: bigint }
declare const execs: RingBuffer<{ pid: number }>
declare const connections: RingBuffer<{ begin: bigint; end: bigint; reset: boolean }>
`

it('docs/otel.md agrees with the types', () => {
  const pieces = codeBlocks(readPage('docs/otel.md'), 'ts')
  expect(pieces.length).toBeGreaterThan(2)
  const isImport = /^import .*$/gm
  const bodies = pieces.map(
    (code, i) => `export async function piece${i}() {\n${code.replace(isImport, '')}}\n`,
  )
  const folder = mkdtempSync(join(here, 'docs-'))
  try {
    const file = join(folder, 'otel.ts')
    writeFileSync(file, [...pieces.join('').matchAll(isImport), known, ...bodies].join('\n'))
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--skipLibCheck']
    const lib = ['--lib', 'es2023,esnext.disposable', '--types', 'node', '--ignoreConfig']
    const { stdout, status } = spawnSync(process.execPath, [tsc, ...options, ...lib, file], {
      encoding: 'utf8',
    })
    expect(stdout).toBe('')
    expect(status).toBe(0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
