// What npm packs: everything that the packages read when they run, and nothing else.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const packages = fileURLToPath(new URL('../..', import.meta.url))

function packed(name: string): string[] {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: `${packages}${name}`,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const found = JSON.parse(output) as { files: { path: string }[] }[]
  return found[0]!.files.map(({ path }) => path)
}

describe('npm pack', () => {
  it('takes along what the agent reads when it runs', () => {
    const files = packed('agent')
    const needed = [
      'dist/main.js',
      'config.schema.json',
      'collections/runqlat.yaml',
      'collections/runqlat.bpf.o',
    ]
    for (const name of [...needed, 'collections/runqlat.bpf.ts', 'README.md', 'LICENSE'])
      expect(files).toContain(name)
    expect(files.filter((name) => !/^(dist|collections)\/|^[\w.]+$/.test(name))).toEqual([])
  })

  it('takes along the entry points of otel', () => {
    const files = packed('otel')
    const { exports } = JSON.parse(readFileSync(`${packages}otel/package.json`, 'utf8')) as {
      exports: Record<string, { types?: string; default?: string }>
    }
    const entries = Object.values(exports).flatMap(({ types, default: code }) => [types, code])
    for (const entry of entries) if (entry !== undefined) expect(files).toContain(entry.slice(2))
  })

  it('has the same version for all', () => {
    const versions = ['../package.json', 'otel/package.json', 'agent/package.json'].map(
      (path) => (JSON.parse(readFileSync(`${packages}${path}`, 'utf8')) as { version: string }).version,
    )
    expect(new Set(versions).size).toBe(1)
  })
})
