// Runs every program that BPF_PROG_TEST_RUN can run in the emulator and in the kernel, and compares what they leave.
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { type BpfObject, Btf } from 'libbpf-node'
import { Emulator, openInKernel, type RunOptions, type TestObject } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { kernelIs } from '../helpers/kernel.js'

const root = fileURLToPath(new URL('../../dist', import.meta.url))

/** Programs whose result depends on more than their input. */
const elsewhere: Record<string, string> = {
  'globals-live.bpf.o': 'other runs change its variables',
  'events-perf.bpf.o': 'its perf buffer has no reader',
  'hold.bpf.o': 'it runs for as long as it can',
  'stream.bpf.o': 'it calls a kernel function that is not emulated',
  'stream-impl.bpf.o': 'it calls a kernel function that is not emulated',
  'events-wake.bpf.o': 'the padding of its record is what was on the stack',
  'events-lost.bpf.o': 'it writes the number of the CPU into records',
  'leaks-address.bpf.o': 'it keeps an address of the kernel',
  'no-type.bpf.o': 'BTF does not describe its values',
  'arena.bpf.o': 'pages of arenas are not emulated',
  'pinned.bpf.o': 'its map is pinned, so what earlier runs counted stays',
  'profile.bpf.o': 'it reads stacks, and members of the task that only the kernel has',
}

/** What programs are told about the kernel's configuration. */
function optionsOf(object: BpfObject): Record<string, number | bigint> {
  if (![...object.maps.keys()].some((name) => name.endsWith('.kconfig'))) return {}
  const options = Object.entries(object.globals('.kconfig') as Record<string, unknown>)
  return Object.fromEntries(
    options.flatMap(([name, value]) => (typeof value === 'string' ? [] : [[name, Number(value)]])),
  )
}

const hasPacket = /^(xdp|tc|tcx|classifier|action|socket|cgroup_skb|cgroup\/skb)(\W|$)/
const hasArguments = /^(raw_tp|raw_tracepoint)(\W|$)/
const hasBytes = /^syscall(\W|$)/

/** `undefined` for programs that the kernel does not run on request. */
function optionsFor(section: string): RunOptions | undefined {
  if (hasBytes.test(section)) return { context: new Uint8Array(64) }
  // Pointers are NULL, which programs see as memory that cannot be read.
  if (hasArguments.test(section)) return { args: [0, 0, 0, 0, 0] }
  if (!hasPacket.test(section)) return undefined
  const packet = Uint8Array.from({ length: 64 }, (_, i) => i * 7)
  packet.set([0x08, 0x00], 12)
  return { packet }
}

/** The program's result in one of the two, or `undefined` where it cannot run. */
function resultOf(object: TestObject, name: string, options: RunOptions) {
  try {
    const { retval, packet } = object.program(name).run(options)
    return { retval, packet: packet && Buffer.from(packet).toString('hex') }
  } catch (error) {
    if (object instanceof Emulator) throw error
    return undefined
  }
}

/** `undefined` for an object that is made to be refused, or for a newer kernel. */
async function openOrNot(path: string) {
  const kernel = await openInKernel(path).catch(() => undefined)
  try {
    kernel?.object.loadSync()
    return kernel
  } catch {
    kernel?.[Symbol.dispose]()
    return undefined
  }
}

const withEntries = [
  'hash',
  'array',
  'lru_hash',
  'percpu_hash',
  'percpu_array',
  'lru_percpu_hash',
  'lpm_trie',
]

const start = process.hrtime.bigint()

/** As text. The clock goes on between the two runs. */
function textOf(value: unknown): string {
  const isNow = (time: bigint): boolean => time >= start && time <= process.hrtime.bigint()
  return inspect(value, { depth: null, breakLength: Number.POSITIVE_INFINITY }).replace(
    /\b(\d{9,})n\b/g,
    (number, digits) => (isNow(BigInt(digits)) ? 'now' : number),
  )
}

function recordText(record: Uint8Array): string {
  const words = record.slice(0, record.length & ~7)
  return textOf([...new BigUint64Array(words.buffer), ...record.subarray(words.length)])
}

/** Lines of a log have gaps, and contain the CPU, which the kernel chooses. Their place in the program is compared. */
const placeOf = (line: Uint8Array): Uint8Array => line.subarray(0, 8)

/** Entries and records of the maps, and the variables. */
function contentsOf(object: TestObject, like: Emulator): Record<string, string | string[]> {
  const contents: Record<string, string | string[]> = {}
  for (const { name, type } of like.machine.maps.values()) {
    if (type === 'ringbuf')
      contents[name] = object.events(name).map((one) => recordText(name === 'node_logs' ? placeOf(one) : one))
    if (!withEntries.includes(type)) continue
    const isPerCpu = type.includes('percpu')
    contents[name] = [...object.map(name).entries()]
      // The kernel chooses the CPU.
      .map(([key, value]) => textOf([key, isPerCpu ? (value as unknown[]).map(textOf).sort() : value]))
      .sort()
  }
  for (const { name, section } of like.object.variables) {
    // inspect() does not show a member of a live view that is called __proto__, which this one has.
    if (/^\.(data|bss)/.test(section) && name !== 'object') contents[name] = textOf(object.get(name))
  }
  return contents
}

describe('every program of the examples and tests', { timeout: 120_000 }, () => {
  it('returns and leaves the same in the emulator as in the kernel', async () => {
    const compared = { programs: 0, rawTracepoints: 0, entries: 0 }
    using kernelTypes = Btf.fromKernel()
    const btf = kernelTypes.types
    const comm = readFileSync('/proc/thread-self/comm', 'utf8').trim()
    const pid = Number(/^Pid:\s+(\d+)/m.exec(readFileSync('/proc/thread-self/status', 'utf8'))![1])
    const currentTask = { pid, tgid: process.pid, comm, real_parent: { tgid: process.ppid } }
    for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
      const name = file.split('/').at(-1)!
      if (!file.endsWith('.bpf.o') || name in elsewhere) continue
      using opened = await openOrNot(join(root, file))
      if (opened === undefined) continue
      const emulator = Emulator.open(join(root, file), {
        btf,
        currentTask,
        externs: optionsOf(opened.object),
        cpus: availableParallelism(),
        pid,
        tgid: process.pid,
        comm,
        time: process.hrtime.bigint(),
      })
      for (const program of emulator.programs.values()) {
        const options = optionsFor(program.section)
        const expected = options && resultOf(opened, program.name, options)
        if (expected === undefined) continue
        // The kernel chooses one, and the program returns its number.
        if (name === 'maps.bpf.o') emulator.machine.cpu = expected.retval
        const where = `${file} ${program.name}`
        expect(resultOf(emulator, program.name, options!), where).toEqual(expected)
        if (emulator.machine.timers.size > 0) {
          emulator.advance(1_000_000)
          await setTimeout(100)
        }
        const contents = contentsOf(opened, emulator)
        expect(contentsOf(emulator, emulator), where).toEqual(contents)
        compared.programs++
        if (hasArguments.test(program.section)) compared.rawTracepoints++
        compared.entries += Object.values(contents).flat().length
      }
    }
    expect(compared.programs).toBeGreaterThan(kernelIs('5.15') ? 40 : 5)
    expect(compared.rawTracepoints).toBeGreaterThan(kernelIs('5.15') ? 8 : 0)
    expect(compared.entries).toBeGreaterThan(kernelIs('5.15') ? 2000 : 0)
  })
})
