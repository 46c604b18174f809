import { once } from 'node:events'
import { createServer } from 'node:net'
import { getuid } from 'node:process'
import { BpfObject } from 'libbpf-node'
import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../../helpers/kernel.js'

/** Runs a syscall program, and returns its variables. */
function run(body: string, head = ''): Record<string, unknown> {
  const { object } = compile(`
    ${head}
    export let out = data<u64>(0)
    export const p = syscall(() => { ${body}; return 0 })
    export const license = 'GPL'`)
  using opened = BpfObject.open(object)
  opened.loadSync()
  opened.program('p').testRunSync({})
  return { ...(opened.data as Record<string, unknown>) }
}

describe('helpers', () => {
  const calls: [string, string, (n: bigint) => boolean][] = [
    ['ktimeGetNs', 'out = bpf.ktimeGetNs()', (n: bigint) => n > 0n],
    [
      'ktimeGetTaiNs',
      'out = bpf.ktimeGetTaiNs()',
      (n: bigint) => n > BigInt(Date.now() - 60_000) * 1_000_000n,
    ],
    ['getCurrentPidTgid', 'out = bpf.getCurrentPidTgid() >> 32', (n: bigint) => n === BigInt(process.pid)],
    ['getCurrentUidGid', 'out = u32(bpf.getCurrentUidGid())', (n: bigint) => n === BigInt(getuid!())],
    ['getCurrentTaskBtf', 'out = bpf.getCurrentTaskBtf().tgid', (n: bigint) => n === BigInt(process.pid)],
    [
      'getNsCurrentPidTgid',
      'const ns = zero<Ns>(); out = u64(bpf.getNsCurrentPidTgid(0, 0, ns))',
      (n: bigint) => BigInt.asIntN(64, n) === -22n,
    ],
    [
      'strtoul',
      "const t: char<8> = '42'; const r: One = { n: 0 }; bpf.strtoul(t, 10, r); out = r.n",
      (n: bigint) => n === 42n,
    ],
    [
      "sizes of one's own",
      "const t: char<8> = '4242'; const r: One = { n: 0 }; bpf.strtoul(t, 2, 10, r); out = r.n",
      (n: bigint) => n === 42n,
    ],
    [
      'probeReadKernel',
      'const task = bpf.getCurrentTask(); out = bpf.probeReadKernel<u32>(u64(task) + 0) === 0 ? 1 : 2',
      (n: bigint) => n > 0n,
    ],
  ]
  for (const [name, body, check] of calls) {
    requiresKernel('5.14', name, () => {
      const { out } = run(body, 'interface Ns { pid: u32; tgid: u32 }\ninterface One { n: u64 }')
      expect(check(out as bigint), String(out)).toBe(true)
    })
  }
})

describe('getSocketCookie', () => {
  requiresKernel('5.12', 'names the socket in programs that see those of the kernel', async () => {
    const { object } = compile(`
      export let cookie = data<u64>(0)
      export const p = tpBtf('inet_sock_set_state', (sk) => { cookie = bpf.getSocketCookie(sk); return 0 })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.loadSync()
    opened.attach()
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    expect((opened.data as { cookie: bigint }).cookie).toBeGreaterThan(0n)
    server.close()
    await once(server, 'close')
  })
})

/** A socket that is found and not given back. */
describe('a reference', () => {
  const head = 'interface Tuple { saddr: be32; daddr: be32; sport: be16; dport: be16 }\n'
  const mistake = (body: string): string => {
    const text = `${head}export const p = tc((packet) => {
      const t: Tuple = { saddr: 1, daddr: 2, sport: 3, dport: 4 }
      ${body}
    })\nexport const license = 'GPL'`
    try {
      compile(text)
    } catch (error) {
      if (error instanceof CompileError) return [error.reason, error.hint].filter(Boolean).join(' | ')
    }
    return 'compiled'
  }

  it.each([
    [
      'const sk = bpf.skLookupTcp(t, -1, 0); if (!sk) return 0; return 1',
      "the reference 'sk' is still held here | Call bpf.skRelease(sk) first.",
    ],
    [
      'bpf.skLookupTcp(t, -1, 0); return 0',
      'this reference is held and nothing can release it | Write const sk = bpf.skLookupTcp(...).',
    ],
    [
      'const sk = bpf.skLookupTcp(t, -1, 0); return sk.family',
      "'sk' may be null here | Compare it first: if (!sk) return TC.PASS.",
    ],
    [
      'const sk = bpf.skLookupTcp(t, -1, 0); if (!sk) return 0; bpf.skRelease(sk); return sk.family === 2 ? 1 : 0',
      "the reference 'sk' was released, and may no longer be valid",
    ],
    [
      'const sk = bpf.skLookupTcp(t, -1, 0); if (!sk) return 0; const family = sk.family; bpf.skRelease(sk); return family === 2 ? 1 : 0',
      'compiled',
    ],
  ])('%s', (body, expected) => {
    expect(mistake(body)).toBe(expected)
  })

  it('is accepted by the verifier when it is given back', () => {
    const { object } = compile(`${head}
      export const p = tc((packet) => {
        const t: Tuple = { saddr: 0x7f000001, daddr: 0x7f000001, sport: 1, dport: 80 }
        const sk = bpf.skLookupTcp(t, -1, 0)
        if (!sk) return 5
        const family = sk.family
        bpf.skRelease(sk)
        return family === 2 ? 1 : 0
      })
      export const license = 'GPL'`)
    using opened = BpfObject.open(object)
    opened.loadSync()
    expect(opened.program('p').testRunSync({ data: new Uint8Array(64) }).retval).toBe(5)
  })
})

describe('text for helpers', () => {
  requiresKernel('5.17', 'is a literal where it never changes', () => {
    const body = `
      const comm: char<16> = 'bash'
      const line = zero<char<32>>()
      const values: Pair = { a: 5, b: 6 }
      bpf.snprintf(line, 'a %llu, b %llu', values)
      out = bpf.strncmp(comm, 'bash') === 0 && bpf.strncmp(comm, 'zsh') !== 0 && line === 'a 5, b 6' ? 1 : 2`
    expect(run(body, 'interface Pair { a: u64; b: u64 }').out).toBe(1n)
  })

  it.each([
    ['bpf.strncmp(comm, comm)', 'bpf.strncmp takes a literal here, or text that is rodata'],
    ["bpf.probeReadKernelStr('abc', 4, 5)", 'a literal cannot be written to'],
    ['bpf.probeReadKernelStr(fixed, 8, 5)', "'fixed' is rodata: only user space sets it"],
    ['bpf.copyFromUser<u64>(5)', 'bpf.copyFromUser may sleep, and tpBtf programs may not'],
  ])('is refused in %s', (call, message) => {
    const text = `export const fixed = rodata<char<8>>()
      export const p = tpBtf('sched_switch', () => {
        const comm: char<16> = 'bash'
        ${call}
        return 0
      })
      export const license = 'GPL'`
    expect(() => compile(text)).toThrow(message)
  })
})
