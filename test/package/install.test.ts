// The package as users get it: packed, and installed without install scripts into an empty folder, with nothing but
// Node.js on the PATH. If there is no prebuilt addon, the one that was built here is packed.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ordinaryAddon } from '../helpers/child.js'
import { npmProgram, type Pack, packPackage, prebuild, root } from '../helpers/tarball.js'

const machine = `${process.platform}-${process.arch}`

let folder = ''
let installed = ''
let pack: Pack
let env: NodeJS.ProcessEnv = {}

const run = (program: string, args: string[] = [], cwd = folder) =>
  spawnSync(program, args, { cwd, env, encoding: 'utf8', timeout: 60_000 })

/** Runs an ES module or, with `.cjs`, a CommonJS script. */
function runScript(name: string, source: string, extraEnv: NodeJS.ProcessEnv = {}) {
  writeFileSync(join(folder, name), source)
  return spawnSync(process.execPath, [name], { cwd: folder, env: { ...env, ...extraEnv }, encoding: 'utf8' })
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'libbpf-node-package-'))
  const packed = packPackage(folder)
  pack = packed.pack
  mkdirSync(join(folder, 'bin'))
  for (const program of ['sh', 'env']) {
    symlinkSync(execFileSync('which', [program], { encoding: 'utf8' }).trim(), join(folder, 'bin', program))
  }
  symlinkSync(process.execPath, join(folder, 'bin/node'))
  // Everything else is passed on: npm may need proxies, a registry or extra certificate authorities from the
  // environment.
  env = { ...process.env, ...ordinaryAddon, PATH: join(folder, 'bin') }
  writeFileSync(join(folder, 'package.json'), '{"name":"user","private":true}')
  const install = [
    'install',
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    packed.tarball,
  ]
  const result = run(process.execPath, [npmProgram(), ...install])
  if (result.status !== 0) throw new Error(`npm install: ${result.stderr}`)
  installed = join(folder, 'node_modules/libbpf-node')
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the packed tarball', () => {
  it('contains the documented folders and no others', () => {
    const top = new Set(pack.files.map(({ path }) => path.replace(/^((?:dist|lib)\/[^/]+|[^/]+).*/, '$1')))
    const known = [
      ...[
        'dist/lib',
        'dist/types',
        'dist/examples',
        'dist/include',
        'lib/tools',
        'prebuilds',
        'binding',
        'deps',
        'include',
        'docs',
        'examples',
        'scripts',
        'template',
      ],
      ...['CMakeLists.txt', 'package.json', 'LICENSE', 'NOTICE'],
      ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'],
    ]
    expect([...top].filter((name) => !known.includes(name))).toEqual([])
    const strangers =
      /(^|\/)(test|bench|node_modules|build)\/|^deps\/(libbpf|elfutils|zlib)\/|\.(log|tgz|tsbuildinfo)$/
    expect(pack.files.filter(({ path }) => strangers.test(path))).toEqual([])
    expect(pack.size).toBeLessThan(4_000_000)
  })

  it('has one dependency and no install script', () => {
    const { scripts, dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
    expect(Object.keys(dependencies)).toEqual(['node-gyp-build'])
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare'])
      expect(scripts).not.toHaveProperty(name)
    expect(existsSync(join(installed, 'binding.gyp'))).toBe(false)
  })

  it('contains the license of every library in a prebuilt addon', () => {
    const notice = readFileSync(join(installed, 'NOTICE'), 'utf8')
    const named = [...notice.matchAll(/prebuilds\/licenses\/([\w.-]+\.txt)/g)].map(([, name]) => name)
    expect(named.length).toBeGreaterThan(10)
    if (!existsSync(join(root, prebuild))) return
    for (const name of named)
      expect(existsSync(join(installed, 'prebuilds/licenses', name ?? '')), name).toBe(true)
  })
})

describe('the installed package', () => {
  it('can be imported and required, and opens an object', () => {
    const object = 'node_modules/libbpf-node/dist/examples/activity/activity.bpf.o'
    const use = `using(BpfObject.open('${object}')); function using(o) { console.log([...o.maps.keys()].join()); o.close() }`
    const imported = runScript('import.mjs', `import { BpfObject } from 'libbpf-node'; ${use}`)
    expect(imported).toMatchObject({ status: 0, stderr: '' })
    expect(imported.stdout).toContain('events')
    const required = runScript('require.cjs', `const { BpfObject } = require('libbpf-node'); ${use}`)
    expect(required).toMatchObject({ status: 0, stdout: imported.stdout })
  })

  it('runs its main example', async () => {
    const program = join(installed, 'dist/examples/activity/activity.js')
    const child = spawn(process.execPath, [program, '--json', '--seconds', '2'], { cwd: folder, env })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      const began = !stderr.includes('tracing') && (stderr + text).includes('tracing')
      stderr += text
      if (began) spawn('/bin/sh', ['-c', 'exit 5'], { stdio: 'ignore' })
    })
    const status = await new Promise((resolve) => child.on('close', resolve))
    expect({ status, stderr }).toMatchObject({ status: 0 })
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.find(({ kind, exitCode }) => kind === 'exit' && exitCode === 5)).toBeDefined()
  })

  it('has a working command line', () => {
    const { status, stdout } = run(join(folder, 'node_modules/.bin/libbpf-node'), ['--help'])
    expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('gen') })
    const object = join(installed, 'dist/examples/activity/activity.bpf.o')
    const generated = run(join(folder, 'node_modules/.bin/libbpf-node'), [
      'gen',
      object,
      '--output',
      'activity.ts',
    ])
    expect(generated).toMatchObject({ status: 0 })
  })
})

describe('an installation without an addon', () => {
  const load = `import('libbpf-node').catch((error) => console.log(error.message))`

  it('reports the machine, where it looked, and how to build the addon', () => {
    const away = join(folder, 'away')
    mkdirSync(away)
    cpSync(join(installed, 'prebuilds'), away, { recursive: true })
    rmSync(join(installed, 'prebuilds'), { recursive: true })
    try {
      const { stdout } = runScript('missing.mjs', load)
      expect(stdout).toContain(`for ${machine}, glibc `)
      expect(stdout).toContain(`Node.js ${process.versions.node}`)
      expect(stdout).toContain(join(installed, 'prebuilds', machine))
      expect(stdout).toContain('npm run build')

      mkdirSync(dirname(join(installed, prebuild)), { recursive: true })
      writeFileSync(join(installed, prebuild), 'not an addon')
      expect(runScript('damaged.mjs', load).stdout).toMatch(
        /cannot load .* is damaged: it is not an ELF file/,
      )
    } finally {
      rmSync(join(installed, 'prebuilds'), { recursive: true })
      cpSync(away, join(installed, 'prebuilds'), { recursive: true })
    }
  })

  it('reports that node-gyp-build is not installed', () => {
    const hidden = [join(installed, 'prebuilds'), join(folder, 'node_modules/node-gyp-build')]
    const away = (path: string) => `${path}-away`
    for (const path of hidden) renameSync(path, away(path))
    try {
      expect(runScript('loader.mjs', load).stdout).toContain('its dependency node-gyp-build is not installed')
    } finally {
      for (const path of hidden) renameSync(away(path), path)
    }
  })

  it('names the tools that a build needs and that are missing', () => {
    const { status, stderr } = run(process.execPath, ['scripts/source-build.mjs'], installed)
    expect({ status, stderr }).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/to build the addon: cc, c\+\+, cmake/),
    })
  })
})

describe('an installation without other programs', () => {
  it('compiles the kernel side in TypeScript without clang, LLVM, bpftool or any other program', () => {
    // Every way to start a process fails.
    const noProcesses = `
      import childProcess from 'node:child_process'
      import { syncBuiltinESMExports } from 'node:module'
      const refuse = () => { throw new Error('a process was started') }
      for (const name of ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync'])
        childProcess[name] = refuse
      childProcess.ChildProcess.prototype.spawn = refuse
      syncBuiltinESMExports()`
    writeFileSync(join(folder, 'no-processes.mjs'), noProcesses)
    const preload = { NODE_OPTIONS: `--import ${join(folder, 'no-processes.mjs')}` }
    const spawns = runScript(
      'spawns.mjs',
      `import { execSync } from 'node:child_process'; execSync('true')`,
      preload,
    )
    expect(spawns.stderr).toContain('a process was started')

    const source = `import { bpf, data, rawTp, ringbuf, type char, type u32, type u64 } from 'libbpf-node/kernel'
      interface Switch { pid: u32; comm: char<16> }
      export const switches = ringbuf<Switch>(65536)
      export let calls = data<u64>(0)
      export const onSwitch = rawTp('sched_switch', (_preempt, previous) => {
        calls += 1
        switches.emit({ pid: previous.tgid, comm: previous.comm })
        return 0
      })
      export const license = 'GPL'\n`
    writeFileSync(join(folder, 'switch.bpf.ts'), source)
    for (const command of [
      ['gen', 'switch.bpf.ts'],
      ['types', 'switch.bpf.ts'],
    ]) {
      const program = join(folder, 'node_modules/.bin/libbpf-node')
      const { status, stderr } = spawnSync(process.execPath, [program, ...command], {
        cwd: folder,
        env: { ...env, ...preload },
        encoding: 'utf8',
      })
      expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining('wrote') })
    }
    expect(readFileSync(join(folder, 'switch.skel.ts'), 'utf8')).toContain('export class Switch')
    const { status, stdout, stderr } = runScript(
      'switch.mjs',
      `import { readFileSync } from 'node:fs'
      import { BpfObject } from 'libbpf-node'
      import { compile } from 'libbpf-node/kernel'
      const obj = BpfObject.open(compile(readFileSync('switch.bpf.ts', 'utf8')).object)
      obj.loadSync()
      const events = obj.ringBuffer('switches', 'Switch')
      obj.attach()
      for await (const { pid, comm } of events) { console.log(typeof pid, typeof comm, obj.data.calls > 0n); break }
      obj.close()`,
      preload,
    )
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'number string true\n', stderr: '' })
  })
})
