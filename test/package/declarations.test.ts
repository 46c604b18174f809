// The declarations that are published: what scripts/declarations.mjs leaves of those that tsc writes.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const entries = Object.values<{ types?: string }>(manifest.exports).flatMap(({ types }) => types ?? [])

/** What tsc says about a program, with the declarations of the package and of what they import checked, too. */
function check(source: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-declarations-'))
  try {
    const compilerOptions = {
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      module: 'nodenext',
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      paths: { 'libbpf-node': [join(root, 'dist/lib/index.d.ts')] },
      strict: true,
      noEmit: true,
    }
    writeFileSync(join(folder, 'program.mts'), source)
    const files = ['program.mts', ...entries.map((path) => join(root, path))]
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' })
    return ''
  } catch (error) {
    return (error as { stdout: string }).stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('the published declarations', () => {
  const pack = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  })
  const files: string[] = JSON.parse(pack)[0].files.map(({ path }: { path: string }) => path)
  const declarations = files.filter((path) => path.endsWith('.d.ts') && !path.startsWith('dist/examples'))

  it('have no internal parts', () => {
    expect(declarations.length).toBeGreaterThan(30)
    const texts = declarations.map((path) => readFileSync(join(root, path), 'utf8'))
    expect(texts.join('\n')).not.toContain('@internal')
    expect(texts.join('\n')).not.toMatch(/types\/binding|\b(Object|Program|Map|Link)Handle\b/)
    expect(texts.join('\n')).not.toMatch(/^ +protected (?!constructor\(\);)/m)
  })

  it('can be compiled on their own', () => {
    expect(
      check("import { BpfObject } from 'libbpf-node'\nBpfObject.open('x').program('y').attach().close()"),
    ).toBe('')
  })

  it('do not let users construct what only the library can construct', () => {
    const made = ['Link', 'Program', 'BpfMap', 'BpfObject', 'XdpLink', 'IterLink', 'TcFilter', 'MappedArray']
    const lines = made.map((name) => `new bpf.${name}()`)
    const output = check(["import * as bpf from 'libbpf-node'", ...lines].join('\n'))
    for (const name of made)
      expect(output).toMatch(new RegExp(`TS2674: Constructor of class '${name}(<.*>)?' is protected`))
  })

  it('are described by docs/api-report.txt', () => {
    const script = "import('./scripts/declarations.mjs').then(({ checkReports }) => checkReports(false))"
    execFileSync(process.execPath, ['-e', script], { cwd: root })
    const report = readFileSync(join(root, 'docs/api-report.txt'), 'utf8')
    for (const { name } of [{ name: 'class BpfObject' }, { name: 'function listPrograms' }])
      expect(report).toContain(name)
  })
})
