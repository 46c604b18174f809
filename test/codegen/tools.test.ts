// Sources in the style of well-known tools: generates code, compiles it, loads the programs and decodes their data.
import { execFileSync } from 'node:child_process'
import { copyFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type BpfMap, type BpfObject, type EventReader, possibleCpus } from 'libbpf-node'
import { beforeAll, describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { until } from '../helpers/until.js'
import { biome, gen, root, tsc, useFolder } from './helper.js'

const folder = useFolder()
const sources = join(root, 'test/codegen/tools')
const names = readdirSync(sources).filter((name) => name.endsWith('.bpf.c'))
const records: Record<string, string[]> = { execsnoop: ['--record', 'events=struct event'] }

/** Checks the types of maps that do not contain plain values. */
const use = `
import type { BpfMap, Program } from 'libbpf-node'
import type { HasMacs, Kinds } from './kinds.skel.js'
import type { Profile } from './profile.skel.js'
export function use(kinds: Kinds, profile: Profile, program: Program): void {
  const inner: BpfMap<number, HasMacs> | undefined = kinds.maps.outer.get(1)
  kinds.maps.outer.set(1, kinds.maps.in1)
  kinds.maps.progs.set(new Uint8Array(4), program)
  const stack: bigint[] | undefined = profile.maps.stackmap.get(7)
  console.log(inner, stack)
  // @ts-expect-error
  kinds.maps.outer.set(1, { m: new Uint8Array(6) })
}
`

type Record_ = Record<string, unknown>
type Tool = BpfObject & { events(): EventReader<Record_> }
let complaints = ''

beforeAll(async () => {
  for (const source of names) {
    const name = source.replace('.bpf.c', '')
    const output = join(folder, `${name}.skel.ts`)
    const headers = join(root, 'build/include')
    await gen(join(sources, source), '-o', output, '-I', headers, ...(records[name] ?? []))
  }
  writeFileSync(join(folder, 'use.ts'), use)
  complaints = await tsc(folder, { declaration: true, isolatedDeclarations: true })
}, 120_000)

async function open(name: string, className: string): Promise<Tool> {
  const module = await import(pathToFileURL(join(folder, `${name}.skel.js`)).href)
  return module[className].open() as Tool
}

/** Returns the first record that matches; `act` causes records. */
async function first(reader: EventReader<Record_>, isWanted: (record: Record_) => boolean, act: () => void) {
  let found: Record_ | undefined
  reader.on((record) => {
    if (isWanted(record)) found ??= record
  })
  await until('there is one', () => {
    act()
    return found !== undefined
  })
  reader.close()
  return found!
}

describe('code generated from the sources of tools', () => {
  it('passes the strictest tsc', () => {
    expect(complaints).toBe('')
  })

  it('passes the linter of this repository', async () => {
    expect(await biome(folder, ...names.map((name) => name.replace('.bpf.c', '.skel.ts')))).toBe('')
  }, 60_000)

  it('execsnoop: reads records that are as long as their arguments', async () => {
    using tool = await open('execsnoop', 'Execsnoop')
    Object.assign(tool.rodata, { targ_uid: process.getuid!() })
    await tool.load()
    const events = tool.events()
    tool.attach()
    const command = join(folder, 'a-command')
    copyFileSync('/bin/true', command)
    const record = await first(
      events,
      ({ comm }) => comm === 'a-command',
      () => execFileSync(command),
    )
    // The kernel pads samples to 8 bytes, with undefined contents.
    const args = (record.args as Uint8Array).subarray(0, record.args_size as number)
    expect(Buffer.from(args).toString()).toBe(`${command}\0`)
    expect(record).toMatchObject({ ppid: process.pid, args_count: 1, args_size: command.length + 1 })
  })

  requiresKernel('5.8', 'tcpconnect: unions and counts by flow', async () => {
    using tool = await open('tcpconnect', 'Tcpconnect')
    await tool.load()
    const events = tool.events()
    tool.attach()
    const connect = `require('node:net').connect(9, '127.0.0.7').on('error', () => {})`
    const record = await first(
      events,
      ({ daddr_v4 }) => daddr_v4 === 0x0700007f,
      () => execFileSync(process.execPath, ['-e', connect]),
    )
    expect(record).toMatchObject({ af: 2, dport: 0x0900, daddr_v6: 0x0700007fn })
    expect((record.saddr_v6 as Uint8Array).length).toBe(16)
    const flows = tool.map('ipv4_count') as unknown as BpfMap<Record_, bigint>
    expect([...flows].find(([key]) => key.daddr === 0x0700007f)).toEqual([
      expect.objectContaining({ daddr: 0x0700007f, dport: 0x0900, sport: 0 }),
      1n,
    ])
  })

  requiresKernel('5.14', 'runqlat: histograms', async () => {
    using tool = await open('runqlat', 'Runqlat')
    await tool.load()
    tool.attach()
    const hists = tool.map('hists') as unknown as BpfMap<number, { slots: number[]; comm: string }>
    await until('this process has waited for a CPU', async () => {
      await new Promise((resolve) => setImmediate(resolve))
      execFileSync('/bin/true')
      return hists.has(process.pid)
    })
    const { slots, comm } = hists.get(process.pid)!
    expect(slots.length).toBe(26)
    expect(slots.reduce((sum, count) => sum + count)).toBeGreaterThan(0)
    expect(comm.length).toBeGreaterThan(0)
  })

  it('profile: reads stacks by their id', async () => {
    using tool = await open('profile', 'Profile')
    await tool.load()
    tool.program('do_perf_event').attachPerfEventOnCpus({ event: 'cpu-clock', frequency: 997 })
    const counts = tool.map('counts') as unknown as BpfMap<
      { pid: number; user_stack_id: number; name: string },
      bigint
    >
    const stacks = tool.map('stackmap') as unknown as BpfMap<number, bigint[]>
    let stack: bigint[] | undefined
    await until('a stack of this process was seen', () => {
      const isOurs = ([{ pid, user_stack_id }]: [{ pid: number; user_stack_id: number }, bigint]) =>
        pid === process.pid && user_stack_id >= 0
      const [key] = [...counts].find(isOurs) ?? []
      stack = key && stacks.get(key.user_stack_id)
      return stack !== undefined
    })
    expect(stack!.length).toBeGreaterThan(0)
    // Other frames are found with frame pointers, which not all code has.
    expect(stack![0]).toBeGreaterThan(4096n)
  })

  it('net: counts packets by flow, for each CPU', async () => {
    using tool = await open('net', 'Net')
    Object.assign(tool.rodata, { drop: { a4: 0, port: 0x5100, proto: 0 } })
    await tool.load()
    const packet = new Uint8Array(64)
    packet.set([0x45, 0, 0, 50, 0, 0, 0, 0, 64, 6, 0, 0, 10, 1, 2, 3], 14)
    const run = (port: number) => {
      packet.set([0, port], 34)
      return tool.program('count').testRunSync({ data: packet }).retval
    }
    expect([run(80), run(80), run(0x51)]).toEqual([2, 2, 1])
    const flows = tool.map('flows') as unknown as BpfMap<Record_, { packets: bigint; bytes: bigint }[]>
    const [[key, stats] = []] = [...flows]
    expect(key).toMatchObject({ a4: 0x0302010a, port: 80 << 8, proto: 6 })
    expect(stats!.reduce((sum, { packets }) => sum + packets, 0n)).toBe(2n)
    expect(stats!.reduce((sum, { bytes }) => sum + bytes, 0n)).toBe(128n)
  })

  requiresKernel('6.1', 'words: names that mean something else', async () => {
    using tool = await open('words', 'Words')
    await tool.load()
    tool.bss.maps = 4
    Object.assign(tool.globals('.data.open'), { custom: 30 })
    expect(tool.program('open').testRunSync({ data: packet() }).retval).toBe(4 + 30 + 4 + 0 + 1 + 5)
    const events = tool.map('events') as unknown as BpfMap<Record_, Record_>
    const key = {
      // biome-ignore lint/suspicious/noThenProperty: the name comes from C
      then: 1,
      toString: 2,
      valueOf: 3,
      hasOwnProperty: 4,
      __defineGetter__: 5,
      prototype: 6,
      arguments: 7,
      delete_: 8,
    }
    events.set(key, { default_: { Number: 9 } })
    expect([...events]).toEqual([[key, { default_: { Number: 9 } }]])
  })

  requiresKernel('5.16', 'kinds: every kind of map and type', async () => {
    using tool = await open('kinds', 'Kinds')
    await tool.load()
    const { bss, data } = tool as unknown as { bss: Record_; data: Record_ }
    for (let i = 1; i <= 2; i++) tool.program('use').testRunSync({ data: packet() })
    tool.program('use2').testRunSync({ data: packet() })
    expect(bss).toMatchObject({ 'use.calls': 2, 'use.last': [1n, 1n], counter_a: 2 })
    expect(data).toMatchObject({ 'use2.calls': 4, text: 'hi' })
    const lpm = tool.map('lpm') as unknown as BpfMap<Record_, bigint>
    lpm.set({ len: 8, ip: Uint8Array.of(10, 0, 0, 0) }, 5n)
    expect(lpm.get({ len: 32, ip: Uint8Array.of(10, 1, 2, 3) })).toBe(5n)
    const outer = tool.map('outer') as unknown as BpfMap<number, BpfMap<number, Record_>>
    const inner = tool.map('in1') as unknown as BpfMap<number, Record_>
    const value = { m: new Uint8Array(6), ms: [Uint8Array.of(1, 2, 3, 4, 5, 6), new Uint8Array(6)] }
    inner.set(5, value)
    outer.set(1, inner)
    using opened = outer.get(1)
    expect(opened?.get(5)).toEqual(value)
    const perCpu = tool.map('pc') as unknown as BpfMap<string, { f: number }[]>
    perCpu.set(
      'eight888',
      Array.from({ length: possibleCpus() }, () => ({ f: 1.5 })),
    )
    expect(perCpu.get('eight888')![0]).toMatchObject({ f: 1.5, i: 0x3fc00000 })
  })
})

function packet(): Uint8Array {
  return new Uint8Array(64)
}
