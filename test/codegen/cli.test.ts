import { spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { until } from '../helpers/until.js'
import { cli, gen, libbpfNode, root, run, tsc, useFolder } from './helper.js'

const folder = useFolder()
const path = (name: string) => join(folder, name)

const program = (value: number) => `#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include "shared.h"
int number = ${value};
SEC("tc") int run(void *ctx) { return number + SHARED; }
char LICENSE[] SEC("license") = "GPL";
`
writeFileSync(path('shared.h'), '#define SHARED 1\n')
writeFileSync(path('main.bpf.c'), program(1))

describe('libbpf-node', () => {
  it('lists its commands, and explains each one', async () => {
    const all = await libbpfNode(['--help'])
    expect(all).toMatchObject({ status: 0, stderr: '' })
    expect(all.stdout).toMatch(/^ {2}gen +Write TypeScript/m)
    expect((await libbpfNode([])).stdout).toBe(all.stdout)
    const one = await libbpfNode(['gen', '--help'])
    expect(one).toMatchObject({ status: 0, stderr: '' })
    expect(one.stdout).toContain('Usage: libbpf-node gen')
    expect((await libbpfNode(['help', 'gen'])).stdout).toBe(one.stdout)
  })

  it('prints its version', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect((await libbpfNode(['--version'])).stdout).toBe(`${version}\n`)
  })

  it('exits with status 2 and the usage for a usage error', async () => {
    expect(await libbpfNode(['gne'])).toMatchObject({ status: 2, stderr: expect.stringContaining("'gne'") })
    for (const [args, message] of [
      [[], 'a FILE is required'],
      [['--target', 'x86', 'a.c'], '--target x86: the targets are bpf, bpfel, bpfeb'],
      [['--record', 'events', 'a.c'], 'the form is MAP=TYPE'],
      [['--check', '--watch', 'a.c'], 'cannot be used together'],
      [['--name', 'not a name', 'a.c'], 'must be an identifier'],
      [['--name', 'class', 'a.c'], 'begins with a capital letter'],
      [['--output', '', 'a.c'], '--output requires the name of a file'],
      [['--each', '--name', 'A', 'a.c'], '--each writes several files'],
      [['--each', '-o', 'a.ts', 'a.c'], '--each writes several files'],
      [['--nothing', 'a.c'], "'--nothing'"],
    ] as const) {
      const { status, stderr, stdout } = await libbpfNode(['gen', ...args])
      expect(stderr).toContain(message)
      expect(stderr).toContain('Usage: libbpf-node gen')
      expect([status, stdout]).toEqual([2, ''])
    }
  })
})

describe('libbpf-node gen', () => {
  it('writes beside the source, and does not write a file that has not changed', async () => {
    expect(await libbpfNode(['gen', path('main.bpf.c')])).toMatchObject({ status: 0, stdout: '' })
    const { mtimeMs } = statSync(path('main.skel.ts'))
    expect(await libbpfNode(['gen', path('main.bpf.c')])).toMatchObject({ status: 0, stderr: '' })
    expect(statSync(path('main.skel.ts')).mtimeMs).toBe(mtimeMs)
  })

  it('writes the same bytes from another folder', async () => {
    await libbpfNode(['gen', 'main.bpf.c', '-o', 'elsewhere.ts', '--name', 'Main'], folder)
    mkdirSync(path('sub'), { recursive: true })
    await libbpfNode(['gen', path('main.bpf.c'), '-o', path('sub/elsewhere.ts'), '--name', 'Main'])
    expect(readFileSync(path('elsewhere.ts'), 'utf8')).toBe(readFileSync(path('sub/elsewhere.ts'), 'utf8'))
  })

  it('with --check, exits with status 1 if a file is out of date, and writes nothing', async () => {
    await libbpfNode(['gen', path('main.bpf.c')])
    expect(await libbpfNode(['gen', '--check', path('main.bpf.c')])).toMatchObject({ status: 0, stderr: '' })
    writeFileSync(path('main.bpf.c'), program(2))
    const before = readFileSync(path('main.skel.ts'), 'utf8')
    const { status, stderr } = await libbpfNode(['gen', '--check', path('main.bpf.c')])
    expect(status).toBe(1)
    expect(stderr).toContain('main.skel.ts is out of date')
    expect(readFileSync(path('main.skel.ts'), 'utf8')).toBe(before)
    rmSync(path('main.skel.ts'))
    expect((await libbpfNode(['gen', '--check', path('main.bpf.c')])).status).toBe(1)
  })

  it('prints the errors of clang, and its command line', async () => {
    writeFileSync(path('wrong.bpf.c'), 'int x = y;\n')
    const { status, stderr } = await libbpfNode(['gen', path('wrong.bpf.c')])
    expect(status).toBe(1)
    expect(stderr).toMatch(/wrong\.bpf\.c:1:9: error: use of undeclared identifier 'y'/)
    expect(stderr).toMatch(/^\$ cd \S+ && \S*clang\S* -g -O2 .*wrong\.bpf\.c/m)
    expect(stderr).not.toContain('    at ')
  })

  it('passes -I, -D and the arguments after -- to clang', async () => {
    mkdirSync(path('inc'), { recursive: true })
    writeFileSync(path('inc/other.h'), '#define OTHER 7\n')
    writeFileSync(path('options.bpf.c'), '#include "other.h"\nint value = OTHER + ADD + MORE;\n')
    const args = [
      path('options.bpf.c'),
      '-I',
      path('inc'),
      '-DADD=30',
      '-o',
      path('options.ts'),
      '--',
      '-DMORE=400',
    ]
    expect(await libbpfNode(['gen', ...args])).toMatchObject({ status: 0 })
    expect(readFileSync(path('options.ts'), 'utf8')).toContain('value: number')
  })

  it('refuses a class name that generated code needs, and avoids it for a file with that name', async () => {
    const { status, stderr } = await libbpfNode(['gen', path('main.bpf.c'), '--name', 'Map'])
    expect(stderr).toContain('a class named Map would hide')
    expect(status).toBe(1)
    copyFileSync(path('main.bpf.c'), path('map.bpf.c'))
    expect(await libbpfNode(['gen', path('map.bpf.c')])).toMatchObject({ status: 0 })
    expect(readFileSync(path('map.skel.ts'), 'utf8')).toContain('export class MapObject extends base')
  })

  it('uses the compiler that --clang names', async () => {
    expect(await libbpfNode(['gen', path('main.bpf.c'), '--clang', '/no/such/clang'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('/no/such/clang'),
    })
    writeFileSync(path('my-clang'), '#!/bin/sh\necho this is my-clang >&2\nexit 9\n')
    chmodSync(path('my-clang'), 0o755)
    const { status, stderr } = await libbpfNode(['gen', path('main.bpf.c'), '--clang', path('my-clang')])
    expect(status).toBe(1)
    expect(stderr).toContain('this is my-clang')
    expect(stderr).toContain('ended with status 9')
  })

  it('links several files, C source and compiled objects', async () => {
    const [main, library] = ['test/bpf/linked-main.bpf.c', 'dist/test/bpf/linked-library.bpf.o']
    const args = ['gen', main, library, '-o', path('linked.skel.ts')]
    expect(await libbpfNode(args, root)).toMatchObject({ status: 0 })
    const text = readFileSync(path('linked.skel.ts'), 'utf8')
    expect(text).toContain('Generated by libbpf-node gen from linked-main.bpf.c, linked-library.bpf.o.')
    expect(text).toContain('results: BpfMap<number, bigint>')
    expect(text).toContain('factor: number')
  })

  it('uses the record types of --record, and explains what is wrong with one', async () => {
    const object = path('skeleton.bpf.o')
    copyFileSync(join(root, 'dist/test/bpf/skeleton.bpf.o'), object)
    const gen = (...args: string[]) => libbpfNode(['gen', object, '-o', path('records.ts'), ...args])
    expect(await gen('--record', 'load=struct event')).toMatchObject({ status: 0 })
    expect(readFileSync(path('records.ts'), 'utf8')).toMatch(/load_\(options\?.*RingBuffer<Event>/)
    for (const [record, message] of [
      ['evnts=event', "has no map 'evnts'; did you mean 'events'?"],
      ['counters=event', "map 'counters' of type hash has a record type"],
      ['load=evnt', "have the type 'evnt', but BTF does not contain it"],
    ] as const) {
      const { status, stderr } = await gen('--record', record)
      expect(stderr).toContain(message)
      expect(status).toBe(1)
    }
  })

  it('does not overwrite its own input', async () => {
    const { status, stderr } = await libbpfNode(['gen', path('skeleton.bpf.o'), '--external'])
    expect(stderr).toContain('--external would overwrite')
    expect(status).toBe(1)
  })

  it('reports an object without BTF', async () => {
    const args = ['gen', 'test/btf/kinds.c', '-o', path('bare.ts'), '--', '-g0']
    const { status, stderr } = await libbpfNode(args, root)
    expect(stderr).toContain('has no BTF: compile it with clang -g')
    expect(status).toBe(1)
  })

  it.each(['nothing.bpf.o', 'nothing.bpf.c', 'nothing.bpf.ts'])(
    'reports that %s does not exist',
    async (file) => {
      const { status, stderr } = await libbpfNode(['gen', path(file)])
      expect(stderr).toBe(`libbpf-node gen: no such file '${path(file)}'\n`)
      expect(status).toBe(1)
    },
  )

  it('reports what cannot be written or run', async () => {
    const source = path('main.bpf.c')
    for (const [args, message] of [
      [['-o', '/'], "EISDIR: illegal operation on a directory, open '/'"],
      [['-o', '/dev/full'], 'ENOSPC: no space left on device, write'],
      [['--clang', '/no/clang'], '/no/clang cannot be run (ENOENT)'],
    ] as const) {
      const { status, stdout, stderr } = await libbpfNode(['gen', source, ...args])
      expect([status, stdout, stderr]).toEqual([1, '', `libbpf-node gen: ${message}\n`])
    }
  })

  it('with --each, writes one module for each file', async () => {
    const sources = ['one', 'two'].map((name) => path(`${name}.bpf.c`))
    for (const source of sources) writeFileSync(source, program(1))
    expect(await libbpfNode(['gen', '--each', ...sources])).toMatchObject({ status: 0 })
    expect(readFileSync(path('one.skel.ts'), 'utf8')).toContain('class One extends')
    expect(readFileSync(path('two.skel.ts'), 'utf8')).toContain('class Two extends')
    expect(await libbpfNode(['gen', '--each', '--check', ...sources])).toMatchObject({ status: 0 })
    writeFileSync(sources[1]!, program(2))
    const { status, stderr } = await libbpfNode(['gen', '--each', '--check', ...sources])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^libbpf-node gen: \S*two\.skel\.ts is out of date/)
    copyFileSync(path('skeleton.bpf.o'), path('one.bpf.o'))
    const clash = await libbpfNode(['gen', '--each', sources[0]!, path('one.bpf.o')])
    expect(clash.stderr).toMatch(/one\.bpf\.o: another input is written to \S*one\.skel\.ts, too/)
    expect(clash.status).toBe(1)
  })

  it('names the file that cannot be linked with the others', async () => {
    const sources = ['first', 'second', 'third'].map((name) => path(`${name}.bpf.c`))
    for (const [i, source] of sources.entries()) {
      writeFileSync(source, i === 0 ? 'int other = 1;\n' : program(i))
    }
    const { status, stderr } = await libbpfNode(['gen', ...sources])
    expect(stderr).toMatch(
      /cannot link \S*third\.bpf\.c with \S*first\.bpf\.c, \S*second\.bpf\.c: conflicting .*\((number|run)\) definition in '\S*third\.bpf\.c'/,
    )
    expect(stderr).toContain('use --each if each file is an object of its own')
    expect(status).toBe(1)
  })

  it('takes a single object that the linker refuses', async () => {
    writeFileSync(path('lib.bpf.c'), `#pragma comment(lib, "nothing")\n${program(1)}`)
    expect(await libbpfNode(['gen', path('lib.bpf.c')])).toMatchObject({ status: 0 })
    const { status, stderr } = await libbpfNode([
      'gen',
      path('lib.bpf.c'),
      path('main.bpf.c'),
      '-o',
      path('x.ts'),
    ])
    expect(stderr).toContain('.deplibs')
    expect(status).toBe(1)
  })

  it('takes a file whose name begins with a dash', async () => {
    writeFileSync(path('-.bpf.c'), program(1))
    expect(await libbpfNode(['gen', '-.bpf.c'], folder)).toMatchObject({ status: 0 })
    expect(existsSync(path('-.skel.ts'))).toBe(true)
    rmSync(path('-.skel.ts'))
    expect(await libbpfNode(['gen', path('-.bpf.c')])).toMatchObject({ status: 0 })
    expect(existsSync(path('-.skel.ts'))).toBe(true)
  })

  it('compiles a source that calls kfuncs, and one that declares them differently', async () => {
    const c = (declaration: string) => `#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
${declaration}
SEC("tc") int run(struct __sk_buff *skb) { return 0; }
`
    writeFileSync(path('plain.bpf.c'), c(''))
    writeFileSync(path('kfunc.bpf.c'), c('extern char *bpf_rdonly_cast(int wrong) __ksym __weak;'))
    expect(await libbpfNode(['gen', '--each', path('plain.bpf.c'), path('kfunc.bpf.c')])).toMatchObject({
      status: 0,
    })
  })

  it('says how to get vmlinux.h where the kernel has no BTF', async () => {
    writeFileSync(path('types.bpf.c'), '#include "vmlinux.h"\n')
    const hidden = 'mount -t tmpfs none /sys/kernel/btf && exec "$0" "$@"'
    const args = ['-m', 'sh', '-c', hidden, process.execPath, cli, 'gen', path('types.bpf.c')]
    const { status, stderr } = await run('unshare', args)
    expect(stderr).toContain(
      "Run 'npx libbpf-node btf dump vmlinux > vmlinux.h' on a machine whose kernel has BTF",
    )
    expect(stderr).not.toContain('    at ')
    expect(status).toBe(1)
  })

  it('writes code for CommonJS projects, with the object in the code or in a file', async () => {
    const project = mkdtempSync(path('commonjs-'))
    mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
    symlinkSync(root, join(project, 'node_modules/libbpf-node'))
    symlinkSync(join(root, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'))
    writeFileSync(join(project, 'package.json'), '{ "private": true }')
    writeFileSync(path('main.bpf.c'), program(50))
    await gen(path('main.bpf.c'), '-o', join(project, 'inside.skel.ts'))
    await gen(path('main.bpf.c'), '-o', join(project, 'beside.skel.ts'), '--external')
    await gen(path('main.bpf.c'), '-o', join(project, 'module.skel.mts'), '--external')
    writeFileSync(
      join(project, 'main.ts'),
      `import { Beside } from './beside.skel'
import { Inside } from './inside.skel'
for (const object of [Beside.open(), Inside.open()]) {
  console.log(object.data.number)
  object.close()
}
`,
    )
    writeFileSync(
      join(project, 'main.mts'),
      "import { Module } from './module.skel.mjs'\nconsole.log(Module.open().data.number)\n",
    )
    const options = { verbatimModuleSyntax: false, module: 'nodenext' }
    expect(await tsc(project, options, ['*.ts', '*.mts'])).toBe('')
    const node = (file: string) => run(process.execPath, [join(project, file)])
    expect(await node('main.js')).toMatchObject({ status: 0, stdout: '50\n50\n' })
    expect(await node('main.mjs')).toMatchObject({ status: 0, stdout: '50\n' })
  })

  it('with --watch, watches sources and headers, also after errors, until it is stopped', async () => {
    writeFileSync(path('main.bpf.c'), program(1))
    const child = spawn(process.execPath, [cli, 'gen', '--watch', path('main.bpf.c')], { stdio: 'pipe' })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    const rounds = () => stderr.split('watching for changes').length - 1
    const text = () => readFileSync(path('main.skel.ts'), 'utf8')
    try {
      await until('it watches', () => rounds() === 1)
      const first = text()
      writeFileSync(path('main.bpf.c'), program(50))
      await until('it has written the change', () => rounds() === 2 && text() !== first)
      const second = text()
      writeFileSync(path('shared.h'), '#define SHARED oops\n')
      await until('it shows the error', () => rounds() === 3 && stderr.includes("identifier 'oops'"))
      expect(text()).toBe(second)
      writeFileSync(path('shared.h'), '#define SHARED 99\n')
      await until('it has seen the header change', () => rounds() === 4 && text() !== second)
    } finally {
      child.kill('SIGTERM')
    }
    expect(await ended).toBe(0)
  })
})
