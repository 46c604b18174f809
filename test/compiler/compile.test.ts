import { execFileSync } from 'node:child_process'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'

const exec = `
import { bpf, hash, ringbuf, rodata, rawTp, type char, u32, type u64 } from 'libbpf-node/kernel'
interface Event { pid: u32; ppid: u32; comm: char<16> }
export const events = ringbuf<Event>(256 * 1024)
export const perUser = hash<u32, u64>(1024)
export const skipPid = rodata<u32>(0)
export const onExec = rawTp('sched_process_exec', (task) => {
  if (task.tgid === skipPid) return 0
  perUser.add(u32(bpf.getCurrentUidGid()), 1)
  events.emit({ pid: task.tgid, ppid: task.real_parent.tgid, comm: task.comm })
  return 0
})
export const license = 'GPL'
`

describe('compile', () => {
  it('compiles a program that reports each execution', async () => {
    const { object, programs } = compile(exec, { file: 'exec.bpf.ts' })
    expect(programs).toMatchObject([{ name: 'onExec', section: 'raw_tp/sched_process_exec' }])
    using opened = BpfObject.open(object)
    opened.rodata.skipPid = 1
    opened.loadSync()
    opened.attach()
    using events = opened.ringBuffer<{ pid: number; ppid: number; comm: string }>('events', 'Event')
    const seen: { pid: number; ppid: number; comm: string }[] = []
    events.on((event) => void seen.push(event))
    execFileSync('/bin/true')
    events.consume()
    const [event] = seen.filter(({ ppid }) => ppid === process.pid)
    expect(event).toMatchObject({ ppid: process.pid, comm: 'true' })
    expect(opened.map<number, bigint>('perUser').get(process.getuid!())).toBeGreaterThan(0n)
  })

  it('gives maps without types those of what is put into them', async () => {
    const { object } = compile(
      `export const events = ringbuf(65536)
      export const calls = hash(64)
      export const begun = hash(64)
      export const onEnd = rawTp('sched_process_exit', (task) => {
        const since = begun.get(task.tgid)
        if (since) calls.add({ comm: bpf.getCurrentComm(), uid: u32(bpf.getCurrentUidGid()) }, 1)
        events.emit({ pid: task.tgid, comm: task.comm, now: bpf.ktimeGetNs(), kind: 'exit', cpu: bpf.getSmpProcessorId() })
        return 0
      })
      export const onExec = rawTp('sched_process_exec', (task) => {
        begun.set(task.tgid, bpf.ktimeGetNs())
        return 0
      })
      export const license = 'GPL'`,
    )
    using opened = BpfObject.open(object)
    opened.loadSync()
    opened.attach()
    interface Event {
      pid: number
      comm: string
      now: bigint
      kind: string
      cpu: number
    }
    using events = opened.ringBuffer<Event>('events', 'events_event')
    const seen: Event[] = []
    events.on((event) => void seen.push(event))
    const now = process.hrtime.bigint()
    execFileSync('/bin/true')
    events.consume()
    const event = seen.find(({ comm }) => comm === 'true')!
    expect(event).toMatchObject({ comm: 'true', kind: 'exit' })
    expect(event.now).toBeGreaterThan(now)
    expect(opened.map<object, bigint>('calls').get({ comm: 'true', uid: process.getuid!() })).toBeGreaterThan(
      0n,
    )
  })

  it.each([
    [
      'read before they are written',
      `const since = begun.get(7)
       if (since) result = since.value + 1
       begun.set(7, bpf.ktimeGetNs() > 0 ? u32(41) : u32(40))
       const again = begun.get(7)
       if (again) result = again.value + 1`,
    ],
    [
      'written where nothing was found',
      `const entry = begun.get(7)
       if (!entry) {
         begun.set(7, { first: u32(1), times: u64(41) })
         const made = begun.get(7)
         if (made) result = made.times + made.first
         return 0
       }
       entry.times += 1`,
    ],
    [
      'written in a loop, with what is known of it',
      `for (const i of range(3)) {
         const known = begun.get(i)
         if (known && known.value > 0) result += known.value
         begun.set(i, u64(i) + 14)
       }
       for (const i of range(3)) {
         const known = begun.get(i)
         if (known) result += known.value - 1
       }`,
    ],
  ])('gives maps types that are %s', (_, body) => {
    const { object } = compile(`
      export const begun = hash(64)
      export let result = data<u64>(0)
      export const p = syscall(() => {
        ${body}
        return 0
      })
      export const license = 'GPL'`)
    const emulator = Emulator.open(object)
    emulator.program('p').run()
    expect(emulator.get('result')).toBe(42n)
  })

  const run = (body: string, input: bigint[] = []) => {
    const text = `
      export const input = data<array<u64, 8>>()
      export let output = data<u64>(0)
      export const p = tcIngress(() => {
        ${body}
      })
      function identity(x: u64): u64 { return x }
      export const license = 'GPL'`
    const { object } = compile(text, {})
    const results = [Emulator.open(object)].map((emulator) => {
      emulator.set(
        'input',
        Array.from({ length: 8 }, (_, i) => input[i] ?? 0n),
      )
      emulator.program('p').run({ packet: new Uint8Array(14) })
      return emulator.get<bigint>('output')
    })
    using opened = BpfObject.open(object)
    const data = opened.data as Record<string, unknown>
    data.input = Array.from({ length: 8 }, (_, i) => input[i] ?? 0n)
    opened.loadSync()
    opened.program('p').testRunSync({ data: new Uint8Array(14) })
    expect(results[0]).toBe(data.output)
    return data.output
  }

  it.each<[string, bigint[], bigint]>([
    ['output.value = input[0] + 1; return 0', [41n], 42n],
    [
      'let s: u32 = 0; for (const i of range(10)) { if (i === 7) break; s += i }; output.value = s; return 0',
      [],
      21n,
    ],
    [
      'let s: u64 = 0; for (let i: u32 = 0; i < 5; i++) { if (i === 2) continue; s += u64(i) * 10 }; output.value = s; return 0',
      [],
      80n,
    ],
    [
      'const a = s32(input[0]); output.value = u64(s64(a / 3)); return 0',
      [BigInt.asUintN(64, -10n)],
      BigInt.asUintN(64, -3n),
    ],
    [
      'const a = s64(input[0]); output.value = u64(a % 3); return 0',
      [BigInt.asUintN(64, -10n)],
      BigInt.asUintN(64, -1n),
    ],
    ['output.value = input[0] > 5 && input[1] > 5 || input[2] === 1 ? 7 : 9; return 0', [6n, 5n, 1n], 7n],
    ['output.value = u64(u8(input[0]) + u8(input[1])); return 0', [200n, 100n], 300n],
    ['output.value = identity(identity(input[0]) << 4); return 0', [3n], 48n],
    ['output.value = !(input[0] > 3) ? 1 : 2; return 0', [3n], 1n],
    ['output.value = u64(s16(input[0])); return 0', [0x8000n], BigInt.asUintN(64, -32768n)],
    ['output.value = ~input[0]; return 0', [1n], BigInt.asUintN(64, -2n)],
    ['output.value = -input[0]; return 0', [1n], BigInt.asUintN(64, -1n)],
  ])('%s', (body, input, expected) => {
    expect(run(body.replaceAll('output.value', 'output'), input)).toBe(expected)
  })
})
