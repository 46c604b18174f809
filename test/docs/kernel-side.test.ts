// Compiles and runs the listings of docs/kernel-side.md.
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { Emulator, ethernet, ipv4, packet, udp } from 'libbpf-node/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { useProgram } from '../attach/surroundings.js'
import { gen, libbpfNode, run, tsc, useFolder } from '../codegen/helper.js'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { useTracefs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'
import { codeBlocks, readPage } from './blocks.js'

const folder = useFolder()
useTracefs()
const shop = useProgram(`
#include <stdint.h>
struct item { uint32_t price; struct item* next; };
struct order { uint64_t id; const char* customer; struct item* first; };
__attribute__((noinline)) int place_order(struct order* order) {
  __asm__ volatile("" :: "r"(order) : "memory");
  return 0;
}
int main(void) {
  struct item c = {5, 0}, b = {20, &c}, a = {300, &b};
  char customer[] = "Ada";
  struct order order = {7, customer, &a};
  return place_order(&order);
}
`)
const [
  exec,
  main,
  atRunTime,
  kept,
  firewall,
  rules,
  ordered,
  anyLength,
  ownStruct,
  inProcess,
  xdp,
  patient,
  ,
  // test/compiler/hooks/queues.test.ts has this one, which few kernels have.
  looking,
  replaced,
  structs,
  sampling,
  sampled,
] = codeBlocks(readPage('docs/kernel-side.md'), 'ts')

beforeAll(async () => {
  writeFileSync(join(folder, 'exec.bpf.ts'), exec!)
  writeFileSync(join(folder, 'main.ts'), main!)
  writeFileSync(join(folder, 'count.ts'), atRunTime!)
  // What it calls came with Linux 6.2.
  const withKept = kernelIs('6.2') ? ['kept.bpf.ts'] : []
  for (const name of withKept) writeFileSync(join(folder, name), kept!)
  writeFileSync(join(folder, 'firewall.bpf.ts'), firewall!)
  writeFileSync(join(folder, 'rules.ts'), rules!)
  const withTree = kernelIs('6.6') ? ['ordered.bpf.ts'] : []
  for (const name of withTree) writeFileSync(join(folder, name), ordered!)
  const withEach = kernelIs('6.7') ? ['looking.bpf.ts'] : []
  for (const name of withEach) writeFileSync(join(folder, name), looking!)
  writeFileSync(join(folder, 'any-length.bpf.ts'), anyLength!)
  writeFileSync(join(folder, 'own-struct.bpf.ts'), ownStruct!)
  writeFileSync(join(folder, 'in-process.bpf.ts'), inProcess!)
  writeFileSync(join(folder, 'patient.bpf.ts'), patient!)
  writeFileSync(join(folder, 'replaced.bpf.ts'), replaced!)
  writeFileSync(join(folder, 'structs.bpf.ts'), structs!)
  writeFileSync(join(folder, 'sampling.ts'), sampling!)
  writeFileSync(join(folder, 'sampled.bpf.ts'), sampled!)
  await gen(join(folder, 'exec.bpf.ts'))
  await gen(join(folder, 'firewall.bpf.ts'))
  expect(
    await libbpfNode(['types', 'exec.bpf.ts', ...withKept, ...withTree, ...withEach], folder),
  ).toMatchObject({
    status: 0,
  })
  // Elements by a variable index, and variables of an object that has no generated class.
  const options = { noUncheckedIndexedAccess: false, noPropertyAccessFromIndexSignature: false }
  expect(await tsc(folder, options)).toBe('')
}, 60_000)

describe('docs/kernel-side.md', () => {
  it('reports programs that are started, with TypeScript on both sides', async () => {
    const child = spawn(process.execPath, ['main.js'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (text) => {
      output += text
    })
    try {
      await until('it waits', () => output.includes('Waiting'))
      execFileSync('/bin/true')
      await until('it reports', () => output.includes(`${process.pid} started true (`))
    } finally {
      child.kill()
    }
  })

  it('compiles at run time', async () => {
    const { stdout, stderr } = await run(process.execPath, ['count.js'], folder)
    expect({ stdout, stderr }).toEqual({ stdout: 'raw_tp/sched_switch true\n', stderr: '' })
  })

  it('has what several files declare', async () => {
    const { object } = compile(sampled!, { file: 'sampled.bpf.ts', resolveDir: folder })
    await using loaded = BpfObject.open(object)
    await loaded.load()
    using samples = loaded.ringBuffer<{ comm: string }>('samples', 'Sample')
    loaded.attach()
    execFileSync('/bin/true')
    for await (const { comm } of samples) {
      expect(comm).toMatch(/./)
      break
    }
  })

  it('filters packets', () => {
    const emulator = Emulator.open(compile(xdp!).object)
    const { action } = emulator.program('onFrame').run({ packet: packet(ethernet(), ipv4(), udp(), 'text') })
    expect(action).toBe('XDP_DROP')
  })

  it('has a function that another program can replace', () => {
    const { object, programs } = compile(replaced!)
    expect(programs.map(({ section }) => section)).toEqual(['xdp', 'freplace/wanted'])
    const { action } = Emulator.open(object)
      .program('filter')
      .run({ packet: packet(ethernet(), ipv4(), udp(), 'text') })
    expect(action).toBe('XDP_DROP')
  })

  requiresKernel('6.2', 'keeps a task in a map', () => {
    using opened = BpfObject.open(compile(kept!).object)
    opened.loadSync()
    const run = (name: string) => {
      const context = { pid: process.pid, started: 0n }
      const program = opened.program(name)
      const bytes = new Uint8Array(16)
      new DataView(bytes.buffer).setUint32(0, context.pid, true)
      const result = program.testRunSync({ context: bytes })
      return { retval: result.retval, started: new DataView(result.context!.buffer).getBigUint64(8, true) }
    }
    expect(run('unwatch').retval).toBe(1)
    expect([run('watch').retval, run('watch').retval]).toEqual([0, 0])
    const { retval, started } = run('unwatch')
    expect([retval, started > 0n, run('unwatch').retval]).toEqual([0, true, 1])
  })

  requiresKernel('6.9', 'shares rules with programs', async () => {
    using opened = BpfObject.open(compile(firewall!).object)
    opened.loadSync()
    interface Rule {
      port: number
      action: number
      hits: bigint
      next: Rule | null
    }
    const arena = opened.arena as unknown as { first: Rule | null; rules: Rule[] }
    const [first, second] = arena.rules
    Object.assign(first!, { port: 53, action: 1, next: second })
    Object.assign(second!, { port: 123, action: 3 })
    const actionFor = (port: number): number =>
      opened
        .program('filter')
        .testRunSync({ data: packet(ethernet(), ipv4(), udp({ destinationPort: port }), 'text') }).retval
    expect(actionFor(53)).toBe(2)
    arena.first = first!
    expect([actionFor(53), actionFor(53), actionFor(123), actionFor(80)]).toEqual([1, 1, 3, 2])
    arena.first = first!.next
    expect(actionFor(53)).toBe(2)
    expect([first!.hits, second!.hits]).toEqual([2n, 1n])

    const path = join(folder, 'rules-only.js')
    // Other tests have programs at this interface.
    writeFileSync(path, readFileSync(join(folder, 'rules.js'), 'utf8').replace(/^.*attachXdp.*$/m, ''))
    const { stdout, stderr } = await run(process.execPath, [path], folder)
    expect({ stdout, stderr }).toEqual({ stdout: '53 0n\n', stderr: '' })
  })

  requiresKernel('6.6', 'keeps objects in their order', () => {
    using opened = BpfObject.open(compile(ordered!).object)
    opened.loadSync()
    const run = (name: string, length = 64) =>
      opened.program(name).testRunSync({ data: new Uint8Array(length) }).retval
    const shortest = () => (opened.data as { shortest: number }).shortest
    const found = [300, 100, 200].map((length) => [run('note', length), shortest()])
    expect(found).toEqual([
      [0, 300],
      [0, 100],
      [0, 100],
    ])
    expect(Array.from({ length: 4 }, () => run('take'))).toEqual([1, 1, 1, 0])
  })

  requiresKernel('6.7', 'goes over processes and their memory', () => {
    using opened = BpfObject.open(compile(looking!).object)
    opened.loadSync()
    const asked = new Uint8Array(16)
    new DataView(asked.buffer).setUint32(0, process.ppid, true)
    const { retval, context } = opened.program('look').testRunSync({ context: asked })
    const answer = new DataView(context!.buffer)
    expect([retval, answer.getUint32(4, true) > 0]).toEqual([0, true])
    expect(answer.getBigUint64(8, true)).toBeGreaterThan(100_000n)
  })

  requiresKernel('5.19', 'sends records of any length', async () => {
    using opened = BpfObject.open(compile(anyLength!).object)
    opened.loadSync()
    using ring = opened.ringBuffer<{ pid: number; file: string }>('started', 'Started')
    opened.attach()
    const files: string[] = []
    ring.on(({ file }) => files.push(file))
    const long = join(folder, 'a'.repeat(100))
    copyFileSync('/bin/true', long)
    execFileSync(long)
    execFileSync('/bin/true')
    await until('both have started', () => files.includes(long) && files.includes('/bin/true'))
  })

  requiresKernel('5.14', 'reads a member that has had two names', async () => {
    using opened = BpfObject.open(compile(ownStruct!).object)
    opened.loadSync()
    opened.attach()
    await until('a thread gives way', () => (opened.data as { running: bigint }).running > 0n)
  })

  it('reads a list of a process', () => {
    using opened = BpfObject.open(compile(inProcess!.replace('/usr/bin/shop', shop())).object)
    opened.loadSync()
    opened.attach()
    using ring = opened.ringBuffer<unknown>('placed', 'Placed')
    const orders: unknown[] = []
    ring.on((order) => void orders.push(order))
    execFileSync(shop())
    ring.consume()
    expect(orders).toEqual([{ id: 7n, total: 325, customer: 'Ada' }])
  })

  it('keeps structs and arrays on the stack', () => {
    const emulator = Emulator.open(compile(structs!).object)
    emulator.program('sum').run({ context: new Uint8Array(8) })
    expect(emulator.get('result')).toBe(102n)
  })
})
