import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tsc, useFolder } from '../codegen/helper.js'
import { compiler } from '../helpers/compile.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cli = join(root, 'dist/lib/cli/main.js')
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'libbpf-node-init-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function init(args: string[] = [], env: NodeJS.ProcessEnv = process.env) {
  return spawnSync(process.execPath, [cli, 'init', ...args], { cwd: folder, env, encoding: 'utf8' })
}

describe('libbpf-node init', () => {
  it('writes a project that is named after its folder, and lists the files', () => {
    const { status, stdout, stderr } = init(['My Agent'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const files = readdirSync(join(folder, 'My Agent'))
    expect(files.sort()).toEqual([
      '.gitignore',
      'hello.bpf.ts',
      'kernel.d.ts',
      'main.ts',
      'package.json',
      'tsconfig.json',
    ])
    for (const file of files) expect(stdout).toContain(`  ${file} `)
    expect(stdout).toContain("  cd 'My Agent'\n  npm install\n  npm start")
    expect(JSON.parse(readFileSync(join(folder, 'My Agent/package.json'), 'utf8'))).toMatchObject({
      name: 'my-agent',
      type: 'module',
      devDependencies: { typescript: expect.any(String), '@types/node': expect.any(String) },
    })
  })

  it('writes the kernel side in C with --c, and where there is one in C', () => {
    const files = [
      '.gitignore',
      'compile_flags.txt',
      'hello.bpf.c',
      'main.ts',
      'package.json',
      'tsconfig.json',
      'vmlinux.h',
    ]
    init(['--c', 'c'])
    expect(readdirSync(join(folder, 'c')).sort()).toEqual(files)
    const { scripts } = JSON.parse(readFileSync(join(folder, 'c/package.json'), 'utf8'))
    expect(scripts.build).toBe('libbpf-node gen hello.bpf.c && tsc')
    mkdirSync(join(folder, 'again'))
    writeFileSync(join(folder, 'again/hello.bpf.c'), 'mine')
    init(['again'])
    expect(readdirSync(join(folder, 'again')).sort()).toEqual(files)
  })

  it('writes declarations of the kernel with which the kernel side has no type errors', async () => {
    const own = useFolder()
    init([own])
    expect(readFileSync(join(own, 'kernel.d.ts'), 'utf8')).toContain(
      'sched_process_exec: [p: kernel.task_struct',
    )
    // The package that it would install is the one around it.
    for (const file of ['main.ts', 'package.json']) rmSync(join(own, file))
    expect(await tsc(own, { noEmit: true })).toBe('')
  })

  it('overwrites nothing, not even through a dangling link', () => {
    const mine = [
      'hello.bpf.c',
      'main.ts',
      'package.json',
      'tsconfig.json',
      'compile_flags.txt',
      '.gitignore',
    ]
    for (const file of mine) writeFileSync(join(folder, file), file === 'package.json' ? '{}' : 'mine')
    symlinkSync('elsewhere', join(folder, 'vmlinux.h'))
    const { status, stdout } = init()
    expect(status).toBe(0)
    expect(stdout).toContain(`Kept the existing ${mine.slice(0, 4).join(', ')}`)
    for (const file of mine) {
      expect(readFileSync(join(folder, file), 'utf8')).toBe(file === 'package.json' ? '{}' : 'mine')
    }
    expect(existsSync(join(folder, 'elsewhere'))).toBe(false)
  })

  it('says which settings an existing package.json lacks', () => {
    writeFileSync(join(folder, 'package.json'), '{"type":"module","scripts":{"build":"make"}}')
    const { stdout } = init()
    expect(stdout).toMatch(/npm pkg set 'scripts\.start=npm run build && .*node.* dist\/main\.js'\n/)
    expect(stdout).toContain('npm install libbpf-node\n  npm install --save-dev @types/node typescript\n')
  })

  it('explains that it cannot read a damaged package.json', () => {
    writeFileSync(join(folder, 'package.json'), '{')
    expect(init()).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^libbpf-node init: cannot read package\.json: .*JSON/),
    })
  })

  it('suggests an installation of clang if there is none, and leaves sudo out if there is none', () => {
    mkdirSync(join(folder, 'bin'))
    const env = { ...process.env, PATH: join(folder, 'bin') }
    const { stdout } = init(['--c', 'project'], env)
    expect(stdout).toContain('sudo apt install clang')
    expect(init(['other'], env).stdout).not.toContain('clang')
    const { scripts } = JSON.parse(readFileSync(join(folder, 'project/package.json'), 'utf8'))
    expect(scripts.start).toBe('npm run build && node dist/main.js')
  })

  it('writes a compile_flags.txt with which clang finds every header', () => {
    init(['--c'])
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules/libbpf-node'))
    const flags = readFileSync(join(folder, 'compile_flags.txt'), 'utf8').trim().split('\n')
    const check = [...flags, '-Wall', '-Werror', '-fsyntax-only', 'hello.bpf.c']
    expect(() => execFileSync(compiler('clang'), check, { cwd: folder, stdio: 'pipe' })).not.toThrow()
  })

  it('refuses a second folder with a usage error', () => {
    expect(init(['a', 'b'])).toMatchObject({ status: 2, stderr: expect.stringContaining("'b'") })
  })
})
