// A user's program that is bundled into one file. The package stays external, in node_modules, because it finds its
// native addon relative to its own folder.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type InputOptions, type OutputOptions, rolldown } from 'rolldown'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ordinaryAddon } from '../helpers/child.js'

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
  const env = { ...process.env, ...ordinaryAddon }
  const { status, stdout, stderr } = spawnSync(process.execPath, [name], {
    cwd: folder,
    env,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

/** Returns a configuration of docs/shipping.md. */
async function documented<T>(name: string): Promise<T> {
  const text = readFileSync(join(root, 'docs/shipping.md'), 'utf8')
  const [, code] = new RegExp(`\`\`\`js\n(// ${name}[^]*?)\`\`\``).exec(text) ?? []
  if (code === undefined) throw new Error(`docs/shipping.md has no ${name}`)
  const path = join(folder, name)
  writeFileSync(path, code)
  return (await import(pathToFileURL(path).href)).default as T
}

describe('a program that is bundled with the package as an external', () => {
  it('runs when rolldown has bundled it, with the options of rollup', async () => {
    const { output, ...options } = await documented<InputOptions & { output: OutputOptions }>(
      'rollup.config.js',
    )
    const bundle = await rolldown({ ...options, cwd: folder, platform: 'node' })
    await bundle.write({ ...output, file: join(folder, 'rolldown.js') })
    await bundle.close()
    expect(result('rolldown.js')).toEqual({ status: 0, stdout: 'emit,discard\n', stderr: '' })
  })

  // npm run test:bundlers fetches the bundlers and sets these variables.
  it.skipIf(!process.env.LIBBPF_NODE_ESBUILD)(
    'runs when esbuild has bundled it (npm run test:bundlers)',
    () => {
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
    },
  )

  it.skipIf(!process.env.LIBBPF_NODE_WEBPACK)(
    'runs when webpack has bundled it (npm run test:bundlers)',
    async () => {
      const webpack = createRequire(import.meta.url)(process.env.LIBBPF_NODE_WEBPACK ?? '') as (
        options: object,
        done: (
          error: Error | null,
          stats: { toString(options: object): string; hasErrors(): boolean },
        ) => void,
      ) => void
      const { output, ...config } = await documented<{ output: object }>('webpack.config.js')
      const path = join(folder, 'webpack')
      const options = { ...config, mode: 'production', context: folder, entry: './main.js' }
      await new Promise<void>((resolve, reject) => {
        webpack({ ...options, output: { ...output, path, filename: 'main.mjs' } }, (error, stats) => {
          if (error === null && !stats.hasErrors()) resolve()
          else reject(error ?? new Error(stats.toString({ all: false, errors: true })))
        })
      })
      expect(result('webpack/main.mjs')).toEqual({ status: 0, stdout: 'emit,discard\n', stderr: '' })
    },
  )

  it('runs with only the documented files of the package', async () => {
    const few = join(folder, 'few')
    const copy = join(few, 'node_modules/libbpf-node')
    for (const name of [
      'package.json',
      'dist/lib/objects/dispatcher.bpf.o',
      'build/Release/libbpf_node.node',
    ]) {
      cpSync(join(root, name), join(copy, name))
    }
    const isCode = (path: string): boolean => statSync(path).isDirectory() || path.endsWith('.js')
    cpSync(join(root, 'dist/lib'), join(copy, 'dist/lib'), { recursive: true, filter: isCode })
    for (const name of ['package.json', 'main.js', 'names.js', 'ring.bpf.o']) {
      cpSync(join(folder, name), join(few, name))
    }
    expect(result('few/main.js')).toEqual({ status: 0, stdout: 'emit,discard\n', stderr: '' })
  })

  it('explains what is wrong if the package was bundled, too', async () => {
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
