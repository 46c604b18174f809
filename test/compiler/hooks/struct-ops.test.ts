import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { BpfObject } from 'libbpf-node'
import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { congested, useProgram } from '../../attach/surroundings.js'
import { requiresKernel } from '../../helpers/kernel.js'
import { until } from '../../helpers/until.js'

const asking = useProgram(congested)

const isThere = (name: string): boolean =>
  readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8').split(/\s/).includes(name)

// Kernels before 6.10 do not say in their BTF which functions are kfuncs, and have other prototypes for some.
const congestion = `
  export let begun = data<u64>(0)
  export let ended = data<u64>(0)
  export let window = data<u32>(0)
  export let kept = data<u64>(0)
  export const mine = structOps('tcp_congestion_ops', {
    name: 'ts_fixed',
    init(sk) {
      begun += 1
      sk.snd_cwnd = 7
      sk.snd_cwnd += 2
      sk.snd_ssthresh = 5
      sk.inet_conn.icsk_ca_priv[0] = 41
      window = sk.snd_cwnd * 10 + sk.snd_ssthresh
    },
    release: (sk) => {
      if (sk.inet_conn.icsk_ca_priv[0] === 41) kept += 1
      ended += 1
    },
    ssthresh: (sk) => (sk.snd_cwnd > 2 ? sk.snd_cwnd >> 1 : 2),
    undo_cwnd(sk) { return sk.snd_cwnd },
    cong_avoid(sk, ack, acked) { if (acked > 100) sk.snd_cwnd = 10 },
  })
  export const license = 'GPL'`

describe('struct_ops', () => {
  requiresKernel('6.4', 'are a congestion control that sockets select by its name', async () => {
    using object = BpfObject.open(compile(congestion).object)
    expect(Object.keys(object.structOps)).toEqual(['mine'])
    object.loadSync()
    expect(isThere('ts_fixed')).toBe(false)
    const [link, ...others] = object.attach()
    expect(others).toEqual([])
    expect(isThere('ts_fixed')).toBe(true)
    execFileSync(asking(), ['ts_fixed'], { stdio: 'ignore' })
    await until('its sockets are closed', () => (object.data as { ended: bigint }).ended > 0n)
    const { begun, ended, kept, window } = object.data as Record<string, unknown>
    expect({ window, kept: kept === ended, begun: (begun as bigint) > 0n }).toEqual({
      window: 95,
      kept: true,
      begun: true,
    })
    link!.close()
    await until('it is gone', () => !isThere('ts_fixed'))
  })

  requiresKernel(
    '6.4',
    'are refused by the verifier where they write what they may not, with the line',
    () => {
      const text = `export const mine = structOps('tcp_congestion_ops', {
      name: 'ts_wrong',
      init(sk) {
        sk.tcp_header_len = 3
      },
      ssthresh: (sk) => 2,
      undo_cwnd: (sk) => 2,
      cong_avoid(sk) {},
    })
    export const license = 'GPL'`
      using object = BpfObject.open(compile(text, { file: 'wrong.bpf.ts' }).object)
      expect(() => object.loadSync()).toThrow(/wrong\.bpf\.ts:4/)
    },
  )

  requiresKernel('6.3', 'may have functions that sleep', () => {
    // The kernel has these for its own tests. A test run copies what is at an address, and back what the function left.
    const { object, programs } = compile(`
      export let shared = data<u32>(3)
      export const dummy = structOps('bpf_dummy_ops', {
        test_sleepable: sleepable((state) => {
          state.val += 2
          return state.val
        }),
      })
      export const license = 'GPL'`)
    expect(programs).toMatchObject([{ section: 'struct_ops.s/test_sleepable' }])
    const mapped = (): string[] =>
      readFileSync('/proc/self/maps', 'utf8')
        .split('\n')
        .filter((line) => line.includes('bpf-map'))
    const before = new Set(mapped())
    using opened = BpfObject.open(object)
    opened.loadSync()
    expect(opened.data).toMatchObject({ shared: 3 })
    const address = mapped()
      .find((line) => !before.has(line) && / rw-s /.test(line))!
      .split('-')[0]
    const context = new BigUint64Array([BigInt(`0x${address}`)])
    const { retval } = opened
      .program('dummy_test_sleepable')
      .testRunSync({ context: new Uint8Array(context.buffer) })
    expect(retval).toBe(5)
    expect(opened.data).toMatchObject({ shared: 5 })
    const other = `export const dummy = structOps('bpf_dummy_ops', { test_1: sleepable((state) => 0) })`
    using refused = BpfObject.open(compile(`${other}\nexport const license = 'GPL'`).object)
    expect(() => refused.loadSync()).toThrow('attach to unsupported member test_1')
  })

  requiresKernel('5.6', 'have no link for kernels before 6.4', () => {
    const section = (oldestKernel: string): boolean =>
      Buffer.from(compile(congestion, { oldestKernel }).object).includes('.struct_ops.link')
    expect([section('5.13'), section('6.4')]).toEqual([false, true])
  })
})

function mistake(text: string): string {
  try {
    compile(`${text}\nexport const license = 'GPL'`)
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return [error.reason, error.hint].filter((part) => part !== undefined).join(' | ')
  }
  return 'compiled'
}

describe('a mistake in struct_ops', () => {
  const ops = (members: string): string =>
    `export const mine = structOps('tcp_congestion_ops', { ${members} })`
  it.each([
    [
      "export const mine = structOps('tcp_congestion_opps', { init(sk) {} })",
      "this kernel asks no programs through a struct 'tcp_congestion_opps' | Did you mean 'tcp_congestion_ops'?",
    ],
    [
      "export const mine = structOps('tcp_congestion_ops')",
      "structOps needs the name of a struct of the kernel, and its members | Write structOps('tcp_congestion_ops', { name: 'mine', ssthresh: (sk) => 2 }).",
    ],
    [
      ops('initt(sk) {}'),
      "struct tcp_congestion_ops has no member 'initt' in this kernel | Did you mean 'init'?",
    ],
    [
      ops('init: sleepable(5)'),
      'sleepable needs the function that may sleep | Write init: sleepable((...) => 0).',
    ],
    [ops('name(sk) {}'), "'name' of struct tcp_congestion_ops is not a function"],
    [ops('init(sk, more) {}'), "'init' has 1 parameter: ?"],
    [ops('init: (sk) => 1'), 'this function returns nothing: its type is void'],
    [ops('ssthresh: (sk) => bpf.ktimeGetNs()'), 'u64 does not fit u32 | Write u32(...) to cut it off.'],
    [ops('init: sk'), 'a member is a function, a constant number or text | Write init(sk) { ... }.'],
    [
      ops("name: 'a name that is too long', init(sk) {}"),
      "the text has 23 bytes, and 'name' has room for 15",
    ],
    [ops("flags: 'none', init(sk) {}"), "'flags' is not text"],
    [ops('flags: 0x1ffffffff, init(sk) {}'), "8589934591 does not fit 'flags', which has 4 bytes"],
    [
      ops('init(sk) { sk.snd_cwnd = bpf.ktimeGetNs() }'),
      'u64 does not fit u32 | Write u32(...) to cut it off.',
    ],
    [ops('init(sk) { sk.inet_conn = 3 }'), 'only whole numbers of the kernel can be written'],
    [
      "export const p = fentry('vfs_read', (file) => { file.f_flags = 1; return 0 })",
      "the kernel's own memory can only be read",
    ],
  ])('%s', (text, expected) => {
    expect(mistake(text)).toBe(expected)
  })
})
