// A user's program made one file by a bundler. The package stays outside of it, in node_modules, because its native addon is found from its own folder.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'libbpf-node-bundle-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/libbpf-node'))
  cpSync(join(root, 'dist/test/bpf/ring.bpf.o'), join(folder, 'ring.bpf.o'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'names.js'), `export const names = (map) => [...map.keys()].join()`)
  writeFileSync(
    join(folder, 'main.js'),
    `import { BpfObject } from 'libbpf-node'
    import { names } from './names.js'
    const object = BpfObject.open(new URL('./ring.bpf.o', import.meta.url))
    console.log(names(object.programs))
    object.close()`,
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function result(name: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [name], { cwd: folder, encoding: 'utf8' })
  return { status, stdout, stderr }
}

describe('a bundled program', () => {
  it('of rolldown, whose options are those of rollup', async () => {
    const bundle = await rolldown({
      input: join(folder, 'main.js'),
      external: [/^libbpf-node(\/|$)/],
      platform: 'node',
    })
    await bundle.write({ file: join(folder, 'rolldown.js'), format: 'esm' })
    await bundle.close()
    expect(result('rolldown.js')).toEqual({ status: 0, stdout: 'emit,discard\n', stderr: '' })
  })

  // Fetched by npm run test:bundlers, which sets this.
  it.skipIf(!process.env.LIBBPF_NODE_ESBUILD)('of esbuild (npm run test:bundlers)', () => {
    const options = [
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--external:libbpf-node',
      '--log-level=warning',
    ]
    execFileSync(process.env.LIBBPF_NODE_ESBUILD ?? '', ['main.js', '--outfile=esbuild.js', ...options], {
      cwd: folder,
    })
    expect(result('esbuild.js')).toEqual({ status: 0, stdout: 'emit,discard\n', stderr: '' })
  })

  it('without the package outside says what is wrong', async () => {
    const bundle = await rolldown({ input: join(folder, 'main.js'), platform: 'node', logLevel: 'silent' })
    const inside = join(folder, 'inside')
    mkdirSync(inside)
    writeFileSync(join(inside, 'package.json'), '{"type":"module"}')
    await bundle.write({ file: join(inside, 'main.js'), format: 'esm' })
    await bundle.close()
    const { status, stderr } = result('inside/main.js')
    expect(status).not.toBe(0)
    expect(stderr).toMatch(/with a bundler keep libbpf-node external/)
  })
})
