// The commands prog, map, link, btf and top, compared with bpftool for objects that the tests have loaded.
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BpfMap, type BpfObject, Btf } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { ip, loadOnly } from '../attach/surroundings.js'
import { BtfWriter } from '../btf/helper.js'
import { cli, libbpfNode, root, run } from '../codegen/helper.js'
import { bpftoolJson, bpftoolText, comparesWithBpftool } from '../helpers/bpftool.js'
import { asNobody, copyForEveryone, runChild } from '../helpers/child.js'
import { kernelIs, requiresFeature, requiresKernel } from '../helpers/kernel.js'
import { load } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

async function json<T>(...args: string[]): Promise<T> {
  const { status, stdout, stderr } = await libbpfNode([...args, '--json'])
  expect([status, stderr]).toEqual([0, ''])
  return JSON.parse(stdout) as T
}

async function text(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await libbpfNode(args)
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

interface Listed {
  id: number
  [name: string]: unknown
}

const loadedPrograms = (object: BpfObject) => [...object.programs.values()].filter(({ loaded }) => loaded)

describe('libbpf-node prog', () => {
  comparesWithBpftool('lists what bpftool lists', async () => {
    using object = load('programs')
    const ids = loadedPrograms(object).map(({ id }) => id)
    const ours = (await json<Listed[]>('prog', 'list')).filter(({ id }) => ids.includes(id))
    const theirs = bpftoolJson<Listed[]>('prog', 'list').filter(({ id }) => ids.includes(id))
    const short = (list: Listed[], bytes: string) =>
      list.map((one) => [one.id, one.type, one.name, one.tag, one[bytes]])
    expect(short(ours, 'xlatedSize')).toEqual(short(theirs, 'bytes_xlated'))
    expect(ours).toHaveLength(ids.length)
  })

  comparesWithBpftool('dumps instructions as bpftool does', async () => {
    using object = load('exec')
    const id = String(object.program('on_exec').id)
    expect(await text('prog', 'dump', 'xlated', id)).toBe(bpftoolText('prog', 'dump', 'xlated', 'id', id))
  })

  it('describes one program, as text and as JSON', async () => {
    using object = load('exec')
    const { id, tag } = object.program('on_exec').info()
    const shown = await text('prog', 'show', String(id))
    expect(shown).toMatch(new RegExp(`^id +${id}\nname +on_exec\ntype +\\S+\ntag +${tag}$`, 'm'))
    expect(shown).toContain(`(${process.pid})`)
    const described = await json<Listed>('prog', 'show', String(id))
    expect(described).toMatchObject({ id, tag })
    expect(Math.abs(Date.now() - Date.parse(described.loadTime as string))).toBeLessThan(60_000)
    const listed = (await json<Listed[]>('prog', 'list')).find((one) => one.id === id)
    expect(Date.parse(listed?.loadTime as string)).toBeCloseTo(Date.parse(described.loadTime as string), -4)
    expect(await text('prog', 'dump', 'jited', String(id))).toMatch(/on_exec|there is no machine code/)
    expect(await text('prog', 'dump', 'xlated', String(id), '--opcodes')).toMatch(
      /^ {7}([0-9a-f]{2} ){7}[0-9a-f]{2}$/m,
    )
  })

  it('prints at most 80 columns without a terminal', async () => {
    using _object = load('programs')
    const lines = (await text('prog', 'list')).split('\n')
    expect(lines.length).toBeGreaterThan(2)
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80)
  })
})

interface Entry {
  key: unknown
  value: unknown
}

/** An entry as bpftool decodes it. */
interface Formatted {
  formatted: { key: unknown; value?: unknown; values?: { cpu: number; value: unknown }[] }
}

describe('libbpf-node map', () => {
  comparesWithBpftool('lists what bpftool lists', async () => {
    using object = load('maps')
    const ids = [...object.maps.values()].map(({ id }) => id)
    const ours = (await json<Listed[]>('map', 'list')).filter(({ id }) => ids.includes(id))
    const theirs = bpftoolJson<Listed[]>('map', 'list').filter(({ id }) => ids.includes(id))
    expect(
      ours.map((map) => [map.id, map.type, map.name, map.keySize, map.valueSize, map.maxEntries]),
    ).toEqual(
      theirs.map((map) => [map.id, map.type, map.name, map.bytes_key, map.bytes_value, map.max_entries]),
    )
    expect(ours).toHaveLength(ids.length)
  })

  comparesWithBpftool('dumps entries as bpftool formats them', async () => {
    using object = load('maps')
    const points = object.map<number, object>('points')
    for (let i = 1; i < 5; i++) points.set(i, { x: i, y: -i, label: `p${i}` })
    object.map<number, bigint>('numbers').set(2, 42n)
    for (const name of ['points', 'numbers']) {
      const id = String(object.map(name).id)
      const theirs = bpftoolJson<Formatted[]>('map', 'dump', 'id', id).map(({ formatted }) => formatted)
      expect(await json<Entry[]>('map', 'dump', id)).toEqual(theirs)
      expect(theirs.length).toBe(4)
    }
    const perCpu = object.map('cpu_array')
    const theirs = bpftoolJson<Formatted[]>('map', 'dump', 'id', String(perCpu.id)).map(({ formatted }) => ({
      key: formatted.key,
      value: formatted.values!.map(({ value }) => value),
    }))
    expect(await json<Entry[]>('map', 'dump', String(perCpu.id))).toEqual(theirs)
  })

  it('dumps bytes if the map has no BTF, and variables of a section by name', async () => {
    using object = load('maps')
    object.map<Uint8Array, Uint8Array>('bytes').set(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3, 4, 255))
    const id = String(object.map('bytes').id)
    expect(await json('map', 'dump', id)).toEqual([{ key: '010203', value: '01020304ff' }])
    expect(await text('map', 'dump', id)).toBe('01 02 03: 01 02 03 04 ff\n1 entry\n')
    using variables = load('links')
    const [entry] = await json<Entry[]>('map', 'dump', String(variables.map('.bss').id))
    expect(entry).toEqual({ key: 0, value: { executions: 0 } })
  })

  it('dumps a map that does not fit into one string', async () => {
    const maxEntries = 3000
    using map = BpfMap.create({ type: 'array', name: 'large', keySize: 4, valueSize: 512, maxEntries })
    const all = await json<Entry[]>('map', 'dump', String(map.id))
    expect(all.map(({ key }) => key)).toEqual(Array.from({ length: maxEntries }, (_, i) => i))
    expect(await text('map', 'dump', String(map.id))).toMatch(/^3000 entries$/m)
  })

  requiresKernel('6.4', 'decodes the value of a struct_ops map', async () => {
    using object = load('congestion')
    const [entry] = await json<Entry[]>('map', 'dump', String(object.map('my_ops').id))
    expect(entry).toMatchObject({ key: 0, value: { data: { name: expect.any(String) } } })
  })

  it('explains why a ring buffer cannot be dumped', async () => {
    using object = load('maps')
    const { status, stderr } = await libbpfNode(['map', 'dump', String(object.map('ring').id)])
    expect(status).toBe(1)
    expect(stderr).toBe(
      "libbpf-node map: map 'ring' has no keys, because it is a ring buffer: read it with RingBuffer\n",
    )
  })
})

describe('libbpf-node link', () => {
  comparesWithBpftool('lists what bpftool lists', async () => {
    using object = load('links')
    using link = object.program('raw_tracepoint').attach()
    const { id } = link.info()
    const one = (list: Listed[]) => list.find((found) => found.id === id)
    const ours = one(await json<Listed[]>('link', 'list'))
    const theirs = one(bpftoolJson<Listed[]>('link', 'list'))
    expect([ours?.type, ours?.programId, ours?.name]).toEqual([
      theirs?.type,
      theirs?.prog_id,
      theirs?.tp_name,
    ])
    expect(await text('link', 'list')).toMatch(
      new RegExp(`^ *${id} +raw_tracepoint +\\d+ +sched_process_exec`, 'm'),
    )
    expect(await text('link', 'show', String(id))).toMatch(/^name +sched_process_exec$/m)
  })
})

describe('libbpf-node link list', () => {
  requiresKernel('5.9', 'says that an interface is gone instead of naming interface 0', async () => {
    const name = `lbn${process.pid % 10000}g`
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`)
    using object = loadOnly('attach-net', ['xdp_pass'])
    using link = object.program('xdp_pass').attachXdp(name)
    const { id } = link.info()
    const line = async () =>
      (await text('link', 'list')).split('\n').find((line) => line.trim().startsWith(`${id} `))
    expect(await line()).toContain(` interface ${name}`)
    ip('link', 'del', name)
    await until('the kernel has detached it', async () => / gone\b/.test((await line()) ?? ''))
  })
})

describe('libbpf-node btf', () => {
  it('shows the control characters in the names of a file instead of obeying them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-btf-'))
    try {
      const writer = new BtfWriter()
      writer.add('struct', 'a\x1b[2Jb\x9b2J', 0)
      writeFileSync(join(folder, 'hostile.btf'), writer.bytes())
      const source = await text('btf', 'dump', join(folder, 'hostile.btf'))
      expect(source).toContain('struct a\\x1b[2Jb\\x9b2J {')
      const { stdout } = await libbpfNode(['btf', 'dump', join(folder, 'hostile.btf'), '--json'])
      expect(stdout).toContain('a\\u001b[2Jb\\u009b2J')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  comparesWithBpftool('writes the C that bpftool writes', async () => {
    using object = load('exec')
    const { btfId } = object.program('on_exec').info()
    const ours = await text('btf', 'dump', String(btfId))
    const declared = (source: string) =>
      // bpftool sorts types since version 7.5.
      [...source.matchAll(/^(?:struct|union|enum) (\w+) \{$/gm)].map(([, name]) => name).sort()
    const theirs = bpftoolText('btf', 'dump', 'id', String(btfId), 'format', 'c')
    expect(declared(ours).length).toBeGreaterThan(0)
    expect(declared(ours)).toEqual(declared(theirs))
  })

  it('writes all types, or one type by name, as JSON', async () => {
    using object = load('exec')
    const { btfId } = object.program('on_exec').info()
    const types = await json<Listed[]>('btf', 'dump', String(btfId))
    using btf = Btf.fromId(btfId)
    expect(types.map(({ id, kind, name }) => [id, kind, name])).toEqual(
      [...btf.types].map(({ id, kind, name }) => [id, kind, name]),
    )
    const struct = types.find(({ kind, name }) => kind === 'struct' && name !== '')
    expect(await json('btf', 'dump', String(btfId), '--type', String(struct?.name))).toEqual([struct])
  })

  comparesWithBpftool(
    'numbers types as bpftool does',
    async () => {
      using object = load('exec')
      const { btfId } = object.program('on_exec').info()
      const ours = await json<Listed[]>('btf', 'dump', String(btfId))
      const { types } = bpftoolJson<{ types: Listed[] }>('btf', 'dump', 'id', String(btfId))
      expect(ours.map(({ id, name }) => [id, name])).toEqual(
        types.map(({ id, name }) => [id, name === '(anon)' ? '' : name]),
      )
    },
    '5.11',
  )

  it('writes one type of the kernel as C', async () => {
    expect(await text('btf', 'dump', 'vmlinux', '--type', 'list_head')).toContain('struct list_head {')
  })

  requiresKernel('5.11', 'lists and describes the BTF of the kernel', async () => {
    expect(await text('btf', 'list')).toMatch(/^ *\d+ +vmlinux +\d+/m)
    const [first] = await json<Listed[]>('btf', 'list')
    expect(await json<Listed>('btf', 'show', String(first!.id))).toMatchObject({ id: first!.id })
  })
})

describe('libbpf-node top', () => {
  requiresKernel('5.8', 'measures once without a terminal', async () => {
    using object = load('links')
    using _link = object.program('raw_tracepoint').attach()
    const { id } = object.program('raw_tracepoint')
    const measured = libbpfNode(['top', '--json', '--once', '--interval', '1.5'])
    let isOver = false
    void measured.then(() => {
      isOver = true
    })
    // Programs have to start while it measures.
    while (!isOver) await runChild('')
    const { stdout, status } = await measured
    expect(status).toBe(0)
    const found = (JSON.parse(stdout) as { id: number; runs: number; cpu: number }[]).find(
      (one) => one.id === id,
    )
    expect(found?.runs).toBeGreaterThan(0)
    expect(await text('top', '--interval', '0.01')).toMatch(/^ *id +type +name +runs\/s +ns\/run +cpu %/)
  })

  requiresKernel('5.8', 'sorts and filters, and knows what programs are attached to', async () => {
    using object = load('links')
    using _link = object.program('raw_tracepoint').attach()
    type Row = { id: number; name: string; targets: string[] }
    const top = async (...options: string[]) => json<Row[]>('top', '--once', '--interval', '0.01', ...options)
    const byId = await top('--sort', 'id')
    expect(byId.map(({ id }) => id)).toEqual(byId.map(({ id }) => id).sort((a, b) => a - b))
    const byName = (await top('--sort', 'name')).map(({ name }) => name)
    expect(byName).toEqual([...byName].sort())
    const filtered = await top('--filter', 'Sched_Process_Exec')
    expect(filtered.map(({ id }) => id)).toContain(object.program('raw_tracepoint').id)
    expect(filtered.every(({ targets }) => targets.includes('sched_process_exec'))).toBe(true)
    expect(await libbpfNode(['top', '--sort', 'speed'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("unknown key 'speed'; expected cpu, runs, time, name, type, id"),
    })
  })

  requiresKernel('5.8', 'prints a line of JSON for each measurement', async () => {
    using object = load('programs')
    const id = loadedPrograms(object)[0]!.id
    const child = spawn(process.execPath, [cli, 'top', '--json', '--interval', '0.05'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      output += piece
    })
    try {
      await until('there are two', () => output.split('\n').length > 2)
    } finally {
      child.kill('SIGINT')
    }
    expect(await once(child, 'exit')).toEqual([0, null])
    for (const line of output.trim().split('\n').slice(0, 2))
      expect(JSON.parse(line)).toContainEqual(expect.objectContaining({ id }))
  })
})

describe('libbpf-node prog dump jited', () => {
  const hasDisassembler = ['objdump', 'llvm-mc'].some((command) => {
    try {
      execFileSync(command, ['--version'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })

  it.skipIf(!hasDisassembler)('prints instructions, and no byte is missing', async () => {
    using object = load('exec')
    const id = String(object.program('on_exec').id)
    const [{ bytes }] = await json<[{ bytes: string }]>('prog', 'dump', 'jited', id)
    const shown = await text('prog', 'dump', 'jited', id, '--opcodes')
    const opcodes = [...shown.matchAll(/^ {8}((?:[\da-f]{2} ?)+)$/gm)].map(([, digits = '']) => digits)
    expect(opcodes.join('').replaceAll(' ', '')).toContain(bytes)
    expect(shown).toMatch(/^ +[\da-f]+: (ret|jmp)/m)
    expect(shown).toMatch(/^; execution->pid/m)
  })

  it('prints hexadecimal digits without a disassembler', async () => {
    using object = load('exec')
    const id = String(object.program('on_exec').id)
    const { status, stdout } = await run('env', [
      'PATH=/nowhere',
      process.execPath,
      cli,
      'prog',
      'dump',
      'jited',
      id,
    ])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^ {5}0: (?:[\da-f]{2} ?)+$/m)
  })
})

describe('libbpf-node link list', () => {
  requiresKernel('5.8', 'names what programs are attached to', async () => {
    using traced = loadOnly('attach-trace', ['on_call', 'on_tick'])
    using _uprobe = traced.program('on_call').attachUprobe('libc.so.6', { symbol: 'getpid' })
    using _faults = traced
      .program('on_tick')
      .attachPerfEvent({ event: 'page-faults', period: 1_000_000, pid: process.pid })
    using network = loadOnly('attach-net', ['xdp_pass'])
    ip('link', 'add', 'lbnlist0', 'type', 'veth', 'peer', 'name', 'lbnlist1')
    try {
      using _xdp = network.program('xdp_pass').attachXdp('lbnlist0')
      const shown = await runWide('link', 'list')
      if (kernelIs('5.9')) expect(shown).toMatch(/^ *\d+ +xdp +\d+ +interface lbnlist0/m)
      if (kernelIs('6.6')) {
        expect(shown).toMatch(/^ *\d+ +perf_event +\d+ +\S*libc\S*\+0x[\da-f]+/m)
        expect(shown).toMatch(/^ *\d+ +perf_event +\d+ +page-faults/m)
      }
    } finally {
      ip('link', 'del', 'lbnlist0')
    }
  })

  const namesFunction = async () => {
    using object = load('fentry')
    using _link = [...object.programs.values()][0]!.attach()
    expect(await runWide('link', 'list')).toMatch(/^ *\d+ +tracing +\d+ +trace_f(entry|exit) [a-z_]\w+/m)
  }
  requiresFeature('trampolines', 'names the function of the kernel', namesFunction, '5.13')
})

/** The text without tables that are cut off. */
async function runWide(...args: string[]): Promise<string> {
  const { stdout } = await run('script', [
    '--quiet',
    '--return',
    '--command',
    `stty cols 300; exec '${process.execPath}' '${cli}' ${args.join(' ')}`,
    '/dev/null',
  ])
  return stdout.replaceAll('\r', '')
}

describe('the command line', () => {
  it.each([
    [
      ['prog', 'show', '4294967295'],
      'libbpf-node prog: read program 4294967295: nothing with that id exists (any more) (ENOENT)\n',
    ],
    [
      ['map', 'show', '4294967295'],
      'libbpf-node map: open the map with id 4294967295: nothing with that id exists (any more) (ENOENT)\n',
    ],
    [
      ['link', 'show', '4294967295'],
      'libbpf-node link: open link 4294967295: nothing with that id exists (any more) (ENOENT)\n',
    ],
    [
      ['btf', 'dump', 'vmlinux', '--type', 'rhltable_no_such_thing'],
      "libbpf-node btf: no type is named 'rhltable_no_such_thing'\n",
    ],
  ])('exits with status 1 for %j and says why', async (args, message) => {
    expect(await libbpfNode(args)).toEqual({ status: 1, stdout: '', stderr: message })
  })

  it.each(['prog', 'map', 'link', 'btf', 'top'])('names the capability that %s lacks', async (name) => {
    using copy = copyForEveryone()
    const args = name === 'top' ? ['top'] : [name, 'list']
    const [command, ...under] = asNobody()
    const child = spawn(command, [...under, process.execPath, `${copy.path}/dist/lib/cli/main.js`, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      errors += piece
    })
    const status = await new Promise((resolve) => child.on('close', resolve))
    expect(errors).toMatch(/not permitted, the process lacks CAP_SYS_ADMIN \(run it as root/)
    expect(status).toBe(1)
  })

  it.each([
    ['btf', 'dump', 'vmlinux'],
    ['btf', 'dump', 'vmlinux', '--json'],
    ['top', '--json', '--interval', '0.01'],
  ])('exits quietly when the reader closes the pipe: %s %s %s', async (...args) => {
    const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      errors += piece
    })
    child.stdout.once('data', () => child.stdout.destroy())
    let status: number | null | undefined
    child.on('close', (code) => {
      status = code
    })
    await until('it ends', () => status !== undefined)
    expect([status, errors]).toEqual([0, ''])
  })

  it("keeps doctor's exit code when nobody reads its output", async () => {
    const script = '"$@" 2>&1 | true; echo "${PIPESTATUS[0]}"'
    const { stdout } = await promisify(execFile)('bash', [
      '-c',
      script,
      'bash',
      process.execPath,
      cli,
      'doctor',
      '/no/such.bpf.o',
    ])
    expect(stdout).toBe('1\n')
  })

  it('reports that it cannot write its output', async () => {
    const script = '"$@" > /dev/full'
    const { code, stderr } = await promisify(execFile)('sh', [
      '-c',
      script,
      'sh',
      process.execPath,
      cli,
      'map',
      'list',
    ]).then(
      ({ stderr }) => ({ code: 0, stderr }),
      (error: { code: number; stderr: string }) => error,
    )
    expect([code, stderr]).toEqual([1, 'libbpf-node: ENOSPC: no space left on device, write\n'])
  })

  it('escapes control characters in the names of processes', async () => {
    const name = 'a\x1b[2Jb'
    const script = `import { BpfMap } from 'libbpf-node'
      import { writeFileSync } from 'node:fs'
      writeFileSync('/proc/self/comm', process.argv[1])
      globalThis.held = BpfMap.create({ type: 'array', name: 'held', keySize: 4, valueSize: 4, maxEntries: 1 })
      console.log('ready')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script, '--', name], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      await once(child.stdout, 'data')
      expect(await text('map', 'list')).toContain(`a\\x1b[2Jb(${child.pid})`)
    } finally {
      child.kill()
      await once(child, 'close')
    }
  })

  it('shows the list of commands for help, and without arguments', async () => {
    const help = await text('help', 'help')
    expect(help).toMatch(/^Usage: libbpf-node COMMAND/)
    expect(help).toBe(await text())
  })
})
