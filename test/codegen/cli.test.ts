import { spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { until } from '../helpers/until.js'
import { cli, libbpfNode, root, useFolder } from './helper.js'

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
  it('lists its commands, and tells of each', async () => {
    const all = await libbpfNode(['--help'])
    expect(all).toMatchObject({ status: 0, stderr: '' })
    expect(all.stdout).toMatch(/^ {2}gen +Write TypeScript/m)
    expect((await libbpfNode([])).stdout).toBe(all.stdout)
    const one = await libbpfNode(['gen', '--help'])
    expect(one).toMatchObject({ status: 0, stderr: '' })
    expect(one.stdout).toContain('Usage: libbpf-node gen')
    expect((await libbpfNode(['help', 'gen'])).stdout).toBe(one.stdout)
  })

  it('knows its version', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect((await libbpfNode(['--version'])).stdout).toBe(`${version}\n`)
  })

  it('says 2 when it cannot be asked like that, with what can', async () => {
    expect(await libbpfNode(['gne'])).toMatchObject({ status: 2, stderr: expect.stringContaining("'gne'") })
    for (const [args, message] of [
      [[], 'no FILE is given'],
      [['--target', 'x86', 'a.c'], '--target x86: there are bpf, bpfel, bpfeb'],
      [['--record', 'events', 'a.c'], 'it wants MAP=TYPE'],
      [['--check', '--watch', 'a.c'], 'exclude each other'],
      [['--name', 'not a name', 'a.c'], 'no name for a class'],
      [['--name', 'class', 'a.c'], 'they begin with a capital'],
      [['--output', '', 'a.c'], '--output names no FILE'],
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
  it('writes beside the source, and nothing when nothing has changed', async () => {
    expect(await libbpfNode(['gen', path('main.bpf.c')])).toMatchObject({ status: 0, stdout: '' })
    const { mtimeMs } = statSync(path('main.skel.ts'))
    expect(await libbpfNode(['gen', path('main.bpf.c')])).toMatchObject({ status: 0, stderr: '' })
    expect(statSync(path('main.skel.ts')).mtimeMs).toBe(mtimeMs)
  })

  it('gives the same bytes from another folder', async () => {
    await libbpfNode(['gen', 'main.bpf.c', '-o', 'elsewhere.ts', '--name', 'Main'], folder)
    mkdirSync(path('sub'), { recursive: true })
    await libbpfNode(['gen', path('main.bpf.c'), '-o', path('sub/elsewhere.ts'), '--name', 'Main'])
    expect(readFileSync(path('elsewhere.ts'), 'utf8')).toBe(readFileSync(path('sub/elsewhere.ts'), 'utf8'))
  })

  it('checks: 0 when all is up to date, 1 when not, and writes nothing', async () => {
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

  it('shows what clang says, and its command', async () => {
    writeFileSync(path('wrong.bpf.c'), 'int x = y;\n')
    const { status, stderr } = await libbpfNode(['gen', path('wrong.bpf.c')])
    expect(status).toBe(1)
    expect(stderr).toMatch(/wrong\.bpf\.c:1:9: error: use of undeclared identifier 'y'/)
    expect(stderr).toMatch(/^\$ cd \S+ && \S*clang\S* -g -O2 .*wrong\.bpf\.c/m)
    expect(stderr).not.toContain('    at ')
  })

  it('passes on -I, -D and what follows --', async () => {
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

  it('takes no name for the class that hides something, and finds another for a file of that name', async () => {
    const { status, stderr } = await libbpfNode(['gen', path('main.bpf.c'), '--name', 'Map'])
    expect(stderr).toContain('a class named Map would hide')
    expect(status).toBe(1)
    copyFileSync(path('main.bpf.c'), path('map.bpf.c'))
    expect(await libbpfNode(['gen', path('map.bpf.c')])).toMatchObject({ status: 0 })
    expect(readFileSync(path('map.skel.ts'), 'utf8')).toContain('export class MapObject extends base')
  })

  it('takes the compiler it is told', async () => {
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

  it('links several, C and compiled', async () => {
    const [main, library] = ['test/bpf/linked-main.bpf.c', 'dist/test/bpf/linked-library.bpf.o']
    const args = ['gen', main, library, '-o', path('linked.skel.ts')]
    expect(await libbpfNode(args, root)).toMatchObject({ status: 0 })
    const text = readFileSync(path('linked.skel.ts'), 'utf8')
    expect(text).toContain('Generated by libbpf-node gen from linked-main.bpf.c, linked-library.bpf.o.')
    expect(text).toContain('results: BpfMap<number, bigint>')
    expect(text).toContain('factor: number')
  })

  it('types records as --record says, and says what is wrong with it', async () => {
    const object = path('skeleton.bpf.o')
    copyFileSync(join(root, 'dist/test/bpf/skeleton.bpf.o'), object)
    const gen = (...args: string[]) => libbpfNode(['gen', object, '-o', path('records.ts'), ...args])
    expect(await gen('--record', 'load=struct event')).toMatchObject({ status: 0 })
    expect(readFileSync(path('records.ts'), 'utf8')).toMatch(/load_\(options\?.*RingBuffer<Event>/)
    for (const [record, message] of [
      ['evnts=event', "has no map 'evnts'; did you mean 'events'?"],
      ['counters=event', "map 'counters' is of type hash"],
      ['load=evnt', "of type 'evnt', which BTF doesn't have"],
    ] as const) {
      const { status, stderr } = await gen('--record', record)
      expect(stderr).toContain(message)
      expect(status).toBe(1)
    }
  })

  it('does not write over its own input', async () => {
    const { status, stderr } = await libbpfNode(['gen', path('skeleton.bpf.o'), '--external'])
    expect(stderr).toContain('--external would overwrite')
    expect(status).toBe(1)
  })

  it('says when the object has no types', async () => {
    const args = ['gen', 'test/btf/kinds.c', '-o', path('bare.ts'), '--', '-g0']
    const { status, stderr } = await libbpfNode(args, root)
    expect(stderr).toContain('carries no BTF: compile it with clang -g')
    expect(status).toBe(1)
  })

  it('says when a file is not there', async () => {
    const { status, stderr } = await libbpfNode(['gen', path('nothing.bpf.o')])
    expect(stderr).toContain('ENOENT')
    expect(stderr).not.toContain('    at ')
    expect(status).toBe(1)
  })

  it('says what cannot be written or run', async () => {
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

  it('watches sources and headers, through errors, until it is ended', async () => {
    writeFileSync(path('main.bpf.c'), program(1))
    const child = spawn(process.execPath, [cli, 'gen', '--watch', path('main.bpf.c')], { stdio: 'pipe' })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    const rounds = () => stderr.split('watching;').length - 1
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
