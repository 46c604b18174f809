import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { BpfError, type BpfObject, type Program, type TestRunOptions, type TestRunResult } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { loadOnly, useVeth } from '../attach/surroundings.js'
import { onlineCpus } from '../events/cpus.js'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'

type Run = (program: Program, options?: TestRunOptions) => Promise<TestRunResult>

const ethernet = new Uint8Array(60)
ethernet.set([1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16, 0x08, 0x00, 0x45])

const veth = useVeth()
const BPF_F_TEST_RUN_ON_CPU = 1
const BPF_F_TEST_XDP_LIVE_FRAMES = 2

/** An Ethernet frame with a UDP datagram from the other end of the veth pair to one of our ports. */
function datagram(port: number, text: string): Uint8Array {
  const numbers = (list: string, radix = 10) => list.split(/[.:]/).map((word) => Number.parseInt(word, radix))
  const frame = Buffer.alloc(42 + text.length)
  frame.set(numbers(readFileSync(`/sys/class/net/${veth.name}/address`, 'utf8').trim(), 16))
  frame.writeUInt16BE(0x0800, 12)
  const ip = frame.subarray(14)
  const addresses = [...numbers(veth.peer), ...numbers(veth.address)]
  ip.set([0x45, 0, 0, 28 + text.length, 0, 0, 0, 0, 64, 17, 0, 0, ...addresses])
  let sum = 0
  for (let i = 0; i < 20; i += 2) sum += ip.readUInt16BE(i)
  ip.writeUInt16BE(~((sum & 0xffff) + (sum >> 16)) & 0xffff, 10)
  const udp = ip.subarray(20)
  udp.writeUInt16BE(9, 0)
  udp.writeUInt16BE(port, 2)
  // The checksum stays 0: none.
  udp.writeUInt16BE(8 + text.length, 4)
  udp.write(text, 8)
  return frame
}

/** Loads programs.bpf.c with its 'syscall' program. */
function loadAdd(): BpfObject {
  const object = open('programs')
  object.program('add').autoload = true
  object.loadSync()
  return object
}

describe.each<[string, Run]>([
  ['testRun', (program, options) => program.testRun(options)],
  ['testRunSync', async (program, options) => program.testRunSync(options)],
])('%s', (_, run) => {
  it('returns the return value of the program', async () => {
    using object = load('programs')
    const { retval, data } = await run(object.program('length'), { data: ethernet })
    // A socket filter sees the packet after the Ethernet header, which the kernel fills with zeros.
    expect(retval).toBe(60 - 14)
    expect(data.subarray(14)).toEqual(ethernet.subarray(14))
    expect(data.length).toBe(60)
  })

  it('returns the changed packet and does not modify the given one', async () => {
    using object = load('programs')
    const given = ethernet.slice()
    const { retval, data } = await run(object.program('swap_macs'), { data: given })
    expect(retval).toBe(3) // XDP_TX
    expect([...data.subarray(0, 15)]).toEqual([11, 12, 13, 14, 15, 16, 1, 2, 3, 4, 5, 6, 0x08, 0x00, 0x45])
    expect(data.length).toBe(60)
    expect(given).toEqual(ethernet)
  })

  it('has room for a packet that grows', async () => {
    using object = load('programs')
    const { retval, data } = await run(object.program('grow'), { data: ethernet })
    expect(retval).toBe(2) // XDP_PASS
    expect(data.length).toBe(60 + 32)
    expect(data.subarray(32)).toEqual(ethernet)
  })

  it('fails if there is not enough room for the packet', async () => {
    using object = load('programs')
    await expect(run(object.program('grow'), { data: ethernet, dataOutSize: 60 })).rejects.toMatchObject({
      code: 'ENOSPC',
      program: 'grow',
      operation: 'bpf_prog_test_run_opts',
    })
  })

  it('runs the program `repeat` times', async () => {
    using object = load('programs')
    await run(object.program('mark'), { data: ethernet, repeat: 1000 })
    expect(object.bss.runs).toBe(1000n)
    await run(object.program('mark'), { data: ethernet })
    expect(object.bss.runs).toBe(1001n)
  })

  it('passes a context to a packet program and returns the changed one', async () => {
    using object = load('programs')
    const skb = object.codec<{ mark: number }>('__sk_buff')
    const context = new Uint8Array(skb.size)
    new DataView(context.buffer).setUint32(8, 41, true)
    expect(skb.decodeBytes(context).mark).toBe(41)
    const result = await run(object.program('mark'), { data: ethernet, context })
    expect(result.retval).toBe(7)
    expect(skb.decodeBytes(result.context).mark).toBe(42)
    expect(skb.decodeBytes(context).mark).toBe(41)
  })

  it('passes the beginning of a context to a packet program and returns as much of it', async () => {
    using object = load('programs')
    // struct __sk_buff: len, pkt_type, mark, ...
    const context = new Uint8Array(Uint32Array.of(0, 0, 41).buffer)
    const result = await run(object.program('mark'), { data: ethernet, context })
    expect(result.retval).toBe(7)
    expect([...new Uint32Array(result.context.slice().buffer)]).toEqual([0, 0, 42])
  })

  requiresKernel('5.14', "passes a context to a 'syscall' program and returns the changed one", async () => {
    using object = loadAdd()
    const sum = object.codec<{ a: bigint; b: bigint; total: bigint }>('sum')
    const context = sum.encodeBytes({ a: 2n ** 63n, b: 5n, total: 0n })
    const result = await run(object.program('add'), { context })
    expect(result.retval).toBe(42)
    expect(sum.decodeBytes(result.context)).toEqual({ a: 2n ** 63n, b: 5n, total: 2n ** 63n + 5n })
    expect(result.data).toEqual(new Uint8Array())
  })

  requiresKernel('5.18', 'sends live XDP frames in batches', async () => {
    using object = loadOnly('attach-net', ['xdp_pass', 'xdp_other'])
    // Live frames can only seem to arrive at an interface that has an XDP program.
    using link = object.program('xdp_other').attachXdp(veth.name)
    const socket = createSocket('udp4')
    const received: string[] = []
    socket.on('message', (message) => received.push(message.toString()))
    await new Promise<void>((resolve) => socket.bind(0, veth.address, resolve))
    try {
      const data = datagram(socket.address().port, 'frame')
      // struct xdp_md: data, data_end, data_meta, ingress_ifindex, ...
      const context = new Uint8Array(Uint32Array.of(0, data.length, 0, link.ifindex, 0, 0).buffer)
      await run(object.program('xdp_pass'), {
        data,
        context,
        flags: BPF_F_TEST_XDP_LIVE_FRAMES,
        repeat: 48,
        batchSize: 16,
      })
      await until('all have come', () => received.length >= 48)
      expect(received).toEqual(Array.from({ length: 48 }, () => 'frame'))
      expect((object.bss.runs as bigint[])[0]).toBe(48n)
    } finally {
      socket.close()
    }
  })

  requiresKernel(
    '5.18',
    'is refused by the kernel if batchSize is given without live frames, or is too large',
    async () => {
      using object = loadOnly('attach-net', ['xdp_pass'])
      const pass = object.program('xdp_pass')
      await expect(run(pass, { data: ethernet, batchSize: 16 })).rejects.toMatchObject({ code: 'EINVAL' })
      await expect(
        run(pass, { data: ethernet, batchSize: 257, flags: BPF_F_TEST_XDP_LIVE_FRAMES }),
      ).rejects.toMatchObject({ code: 'E2BIG' })
    },
  )

  it('runs a raw tracepoint program on the given CPU', async () => {
    using object = loadOnly('programs', ['which_cpu'])
    const program = object.program('which_cpu')
    for (const cpu of onlineCpus)
      expect((await run(program, { cpu, flags: BPF_F_TEST_RUN_ON_CPU })).retval).toBe(cpu)
    await expect(run(program, { cpu: 1 << 20, flags: BPF_F_TEST_RUN_ON_CPU })).rejects.toMatchObject({
      code: 'ENXIO',
    })
  })

  it.each<[string, string, TestRunOptions]>([
    ['a packet without an Ethernet header', 'mark', { data: new Uint8Array(13) }],
    ['no packet', 'mark', {}],
    ['a context that is too long', 'mark', { data: ethernet, context: new Uint8Array(1 << 14).fill(1) }],
  ])('is refused by the kernel: %s', async (_, name, options) => {
    using object = load('programs')
    const error = await run(object.program(name), options).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(BpfError)
    expect(error).toMatchObject({ program: name, operation: 'bpf_prog_test_run_opts' })
    expect((error as Error).message).toMatch(new RegExp(`^program '${name}': test run: `))
  })

  requiresKernel(
    '5.10',
    'runs a raw tracepoint program with a context and returns the same context',
    async () => {
      using object = open('programs')
      object.program('which_cpu').autoload = true
      object.loadSync()
      const context = new Uint8Array(24).fill(5)
      const result = await run(object.program('which_cpu'), { context })
      expect(onlineCpus).toContain(result.retval)
      expect(result.context).toEqual(context)
      for (const wrong of [
        { context, contextOutSize: 24 },
        { context, data: ethernet },
      ]) {
        await expect(run(object.program('which_cpu'), wrong)).rejects.toMatchObject({
          code: 'EINVAL',
          message: expect.stringContaining('a raw tracepoint program has no data and returns no context'),
        })
      }
    },
  )

  requiresKernel(
    '5.14',
    'is refused by the kernel if a packet is given to a program that accepts none',
    async () => {
      using object = loadAdd()
      await expect(run(object.program('add'), { data: ethernet })).rejects.toMatchObject({ code: 'EINVAL' })
    },
  )

  it.each<[string, unknown, unknown]>([
    ['data', 'text', TypeError],
    ['data', [1, 2], TypeError],
    ['context', new ArrayBuffer(8), TypeError],
    ['repeat', '5', TypeError],
    ['repeat', -1, RangeError],
    ['flags', 1.5, TypeError],
    ['dataOutSize', 2 ** 31, RangeError],
    ['contextOutSize', -1, RangeError],
    ['cpu', null, TypeError],
    ['batchSize', 2 ** 32, RangeError],
  ])('throws for %s: %j', async (option, value, error) => {
    using object = load('programs')
    await expect(run(object.program('mark'), { data: ethernet, [option]: value })).rejects.toThrow(
      error as ErrorConstructor,
    )
    expect(object.bss.runs).toBe(0n)
  })
})

describe('Program.testRun', () => {
  it('does not block the event loop, and several can run at a time', async () => {
    using object = load('programs')
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    const mark = object.program('mark')
    const runs = [1, 2].map(() => mark.testRun({ data: ethernet, repeat: 1_000_000 }))
    const results = await Promise.all(runs)
    clearInterval(timer)
    expect(results.map(({ retval }) => retval)).toEqual([7, 7])
    expect(object.bss.runs).toBe(2_000_000n)
    // None would come if the event loop were blocked.
    expect(ticks).toBeGreaterThan(0)
  })

  it('finishes although its object is closed in the meantime', async () => {
    const object = load('programs')
    const running = object.program('mark').testRun({ data: ethernet, repeat: 100_000 })
    object.close()
    expect((await running).retval).toBe(7)
  })

  it('says that the program is not loaded', async () => {
    using object = load('programs')
    await expect(object.program('on_exit').testRun()).rejects.toThrow(
      "program 'on_exit' is not in the kernel",
    )
    expect(thrownBy(() => object.program('on_exit').testRunSync())).toMatchObject({ code: 'ERR_BPF_STATE' })
  })
})
