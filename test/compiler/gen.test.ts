import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { cli, root } from '../codegen/helper.js'

const folder = join(root, 'build', 'compiler-gen')
mkdirSync(folder, { recursive: true })
afterAll(() => rmSync(folder, { recursive: true }))

const source = `import { bpf, ringbuf, rawTp, type char, type u32 } from 'libbpf-node/kernel'
interface Started { pid: u32; comm: char<16> }
export const events = ringbuf<Started>(64 * 1024)
export const onExec = rawTp('sched_process_exec', (task) => {
  events.emit({ pid: task.tgid, comm: bpf.getCurrentComm() })
  return 0
})
export const license = 'GPL'
`

const maps = `import { array, bloomFilter, data, devmap, hash, hashOfMaps, kconfig, lpmTrie, percpuArray, perfEvents, programArray, queue, stackTraces, taskStorage, userRingbuf, xdp, type bytes, type char, type spinLock, type timer, type u32, type u64 } from 'libbpf-node/kernel'
interface Key { prefixlen: u32; address: bytes<4> }
interface Event { pid: u32; comm: char<16> }
interface Command { kind: u32; value: u32 }
interface Guarded { lock: spinLock; count: u64; timer: timer }
export const routes = lpmTrie<Key, u64>(16)
export const todo = queue<Event>(16)
export const seen = bloomFilter<u64>(16)
export const outer = hashOfMaps<u32>(8, hash<u32, Event>(16))
export const perTask = taskStorage<Event>()
export const next = programArray(4)
export const perf = perfEvents<Event>()
export const commands = userRingbuf<Command>(4096)
export const stacks = stackTraces(16)
export const ports = devmap(4)
export const guarded = array<Guarded>(1)
export const perCpu = percpuArray<Event>(4)
export const hz = kconfig<u32>('CONFIG_HZ')
export let total = data<u64>(0)
export const p = xdp(() => { total += hz; return 2 })
export const license = 'GPL'
`

/** There is no clang where it looks for programs. */
function gen(file: string, ...options: string[]) {
  const env = { ...process.env, PATH: '/nowhere' }
  return spawnSync(process.execPath, [cli, 'gen', join(folder, file), ...options], { env, encoding: 'utf8' })
}

describe('libbpf-node gen FILE.bpf.ts', () => {
  it('writes the types of what is in an arena, with pointers that are followed', () => {
    writeFileSync(
      join(folder, 'shared.bpf.ts'),
      `import { arena, hash, xdp, type array, type ptr, type u32, type u64 } from 'libbpf-node/kernel'
interface Point { x: u32; y: u32 }
interface Item { at: Point; next: ptr<Item> }
interface Table { buckets: array<ptr<Item>, 8>; at: Point; count: u64 }
export const table = arena<Table>(4)
export const points = hash<u32, Point>(8)
export const p = xdp(() => (table.count === 1 ? 1 : 2))
`,
    )
    expect(gen('shared.bpf.ts').status).toBe(0)
    const text = readFileSync(join(folder, 'shared.skel.ts'), 'utf8')
    expect(text).toContain('  arena: Table\n')
    expect(text).toContain('/** arena, 4 pages */')
    expect(text).toMatch(
      /interface Table \{[^}]*buckets: \(Item \| null\)\[\][^}]*at: Point\n[^}]*count: bigint/,
    )
    expect(text).toMatch(/interface Item \{[^}]*at: Point\n[^}]*next: Item \| null/)
    expect(text).toMatch(/points: BpfMap<number, Point>/)
  })

  it('writes a typed class, without clang', () => {
    writeFileSync(join(folder, 'started.bpf.ts'), source)
    const { status, stderr } = gen('started.bpf.ts')
    expect({ status, stderr }).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('started.skel.ts'),
    })
    const text = readFileSync(join(folder, 'started.skel.ts'), 'utf8')
    expect(text).toContain('export class Started')
    expect(text).toMatch(/pid: number/)
  })

  it('refuses what the oldest kernel does not have', () => {
    writeFileSync(
      join(folder, 'loop.bpf.ts'),
      `import { data, type u64 } from 'libbpf-node/kernel'
${source}export let left = data<u64>(64)
export const count = rawTp('sched_process_exit', () => {
  while (left > 3) left >>= 1
  return 0
})
`,
    )
    expect(gen('loop.bpf.ts', '--kernel', '6.4')).toMatchObject({ status: 0 })
    const { status, stderr } = gen('loop.bpf.ts', '--kernel', '5.10')
    expect(status).toBe(1)
    expect(stderr).toContain('needs Linux 5.17, and the program has to load into 5.10')
    expect(gen('loop.bpf.ts', '--kernel', 'new').stderr).toContain(
      'the version of a kernel is written as in 5.10',
    )
  })

  it('types the maps of user space', () => {
    writeFileSync(join(folder, 'maps.bpf.ts'), maps)
    expect(gen('maps.bpf.ts').status).toBe(0)
    const text = readFileSync(join(folder, 'maps.skel.ts'), 'utf8')
    for (const line of [
      'routes: BpfMap<Key, bigint>',
      'todo: BpfMap<undefined, Event>',
      'seen: BpfMap<undefined, bigint>',
      'outer: BpfMap<number, BpfMap<number, Event>, BpfMap<unknown, unknown> | number>',
      'perTask: BpfMap<number, Event>',
      'next: BpfMap<number, number, Program | number>',
      'stacks: BpfMap<number, bigint[]>',
      'ports: BpfMap<number, number>',
      'perCpu: BpfMap<number, Event[]>',
      'guarded: BpfMap<number, Guarded>',
      'perf(options?: PerfBufferOptions): PerfBuffer<Event>',
      'commands(): UserRingBuffer<Command>',
      'readonly CONFIG_HZ: number',
    ]) {
      expect(text).toContain(line)
    }
  })

  it('prints operations and instructions with --emit', () => {
    writeFileSync(join(folder, 'shown.bpf.ts'), source)
    const ir = gen('shown.bpf.ts', '--emit', 'ir')
    expect(ir).toMatchObject({ status: 0, stderr: '' })
    expect(ir.stdout).toMatch(/v\d+ = argument 1/)
    const asm = gen('shown.bpf.ts', '--emit', 'asm')
    expect(asm.stdout).toMatch(/^ *0: /m)
    expect(asm.stdout).toMatch(/; .* @ shown\.bpf\.ts:\d+/)
    expect(existsSync(join(folder, 'shown.skel.ts'))).toBe(false)
    expect(gen('shown.bpf.ts', '--emit', 'tree').stderr).toContain('it can be ir or asm')
  })

  it('shows the line of a mistake', () => {
    writeFileSync(join(folder, 'wrong.bpf.ts'), source.replace('task.tgid', 'task.tgidd'))
    const { status, stderr } = gen('wrong.bpf.ts')
    expect(status).toBe(1)
    expect(stderr).toContain("wrong.bpf.ts:5:27: struct task_struct has no member 'tgidd' in this kernel")
    expect(stderr).toContain("Did you mean 'tgid'?")
  })
})
