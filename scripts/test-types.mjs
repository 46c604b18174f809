// Compiles a user's program with the declarations of the package and each version of TypeScript that
// scripts/npm-packages.json pins, for Node.js (moduleResolution node16) and for bundlers.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { npmPackage, pinnedVersions } from './npm-package.mjs'
import { Failure, root, say } from './run.mjs'

const program = `
import { BpfError, BpfObject, type BpfMap, type Link, type RingBuffer } from 'libbpf-node'
import { skeleton } from 'libbpf-node/skeleton'

interface Event { pid: number; comm: string }

export async function main(): Promise<void> {
  const object = BpfObject.open(new URL('./x.bpf.o', 'file:///'), { name: 'x' })
  const counts: BpfMap<number, bigint> = object.map<number, bigint>('counts')
  const one: bigint | undefined = counts.get(1)
  await object.load()
  const links: Link[] = object.attach()
  const ring: RingBuffer<Event> = object.ringBuffer<Event>('events', 'event')
  for await (const event of ring) {
    const pid: number = event.pid
    // @ts-expect-error the type of the record is known
    const wrong: bigint = event.comm
    void [pid, wrong, one, links]
  }
  try {
    object.program('x').attach()
  } catch (error) {
    if (error instanceof BpfError) console.log(error.code)
  }
  void skeleton
}
`

const resolutions = {
  node16: { module: 'node16', moduleResolution: 'node16' },
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
}

async function check(label, tsc) {
  mkdirSync('build/types', { recursive: true })
  const folder = mkdtempSync(join(root, 'build/types/'))
  try {
    mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
    symlinkSync(root, join(folder, 'node_modules/libbpf-node'))
    for (const name of ['@types/node', 'undici-types']) {
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
    }
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    writeFileSync(join(folder, 'main.ts'), program)
    for (const [name, options] of Object.entries(resolutions)) {
      const compilerOptions = {
        ...options,
        ...{ target: 'es2022', lib: ['es2022', 'esnext.disposable'], types: ['node'], strict: true },
        ...{
          noEmit: true,
          skipLibCheck: false,
          exactOptionalPropertyTypes: true,
          noUncheckedIndexedAccess: true,
        },
      }
      const config = join(folder, `tsconfig.${name}.json`)
      writeFileSync(config, JSON.stringify({ compilerOptions, files: ['main.ts'] }))
      const { stdout } = spawnSync(process.execPath, [tsc, '-p', config], { encoding: 'utf8' })
      // Errors in @types/node, which requires newer compilers every year, are not ours.
      const errors = stdout
        .split('\n')
        .filter((line) => line.includes('error TS') && !/\/node_modules\/|^error TS2688/.test(line))
      if (errors.length > 0) throw new Failure(`TypeScript ${label}, ${name}:\n${errors.join('\n')}`)
      say(`types: TypeScript ${label}, ${name}: ok`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

try {
  process.chdir(root)
  const { values } = parseArgs({ options: { typescript: { type: 'string', multiple: true } } })
  for (const version of values.typescript ?? [...pinnedVersions('typescript'), 'installed']) {
    const installed = version === 'installed'
    const folder = installed ? join(root, 'node_modules/typescript') : await npmPackage('typescript', version)
    const { version: label } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    await check(label, join(folder, 'bin/tsc'))
  }
} catch (error) {
  say(`types: failed\n${error instanceof Failure ? error.message : error.stack}`)
  process.exitCode = 1
}
