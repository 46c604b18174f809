import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'

function mistake(text: string): string {
  try {
    compile(`${text}\nexport const license = 'GPL'`)
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return [error.reason, error.hint].filter((part) => part !== undefined).join(' | ')
  }
  return 'compiled'
}

describe('a mistake in a hook', () => {
  it.each([
    [
      "export const p = iter('taks', (ctx) => 0)",
      "this kernel has no iterator 'taks' | Did you mean 'task'?",
    ],
    [
      "export const p = fentry('do_unlinkatt', () => 0)",
      "this kernel has no function 'do_unlinkatt' | Did you mean 'do_unlinkat'?",
    ],
    [
      "export const p = lsm('file_opn', () => 0)",
      "this kernel has no LSM hook 'file_opn' | Did you mean 'file_open'?",
    ],
    [
      "export const p = cgroupConnect4('/sys/fs/cgroup', (ctx) => 1)",
      'cgroupConnect4 programs do not name what they are attached to | User space attaches them.',
    ],
    [
      'export const p = kprobe(() => 0)',
      'the first argument of kprobe is the name of what it is attached to',
    ],
    ['export const p = cgroupConnect4((ctx, more) => 1)', "'cgroupConnect4' has 1 parameters: ctx"],
    [
      'export const p = cgroupConnect4((ctx) => ctx.user_prot === 1 ? 1 : 0)',
      "struct bpf_sock_addr has no member 'user_prot' | Did you mean 'user_port'?",
    ],
    [
      'export const p = cgroupConnect4((ctx) => ctx.sk.family === 2 ? 1 : 0)',
      'this may be null here | Give it a name first, and compare that: if (!value) return 0.',
    ],
    [
      'export const p = cgroupConnect4((ctx) => { ctx.user_port = 70000; return 1 })',
      '70000 does not fit be16',
    ],
    [
      'export const p = cgroupConnect4((ctx) => { ctx.user_port = 7; ctx.read(0); return 1 })',
      "a struct bpf_sock_addr has no function 'read'",
    ],
    [
      'export const p = xdp((packet) => packet.data === 0 ? 1 : 2)',
      "'data' is an edge of the packet, not a number | Read the packet with packet.read<T>(offset).",
    ],
    ["export const p = uprobe('/bin/true:main', (name: char<16>) => 0)", 'this argument is a number'],
    [
      'export const p = usdt((a, b, c, d, e, f, g, h, i, j, k, l, m) => 0)',
      "'usdt' has 12 parameters: argument 1, argument 2, argument 3, argument 4, argument 5, argument 6, argument 7, argument 8, argument 9, argument 10, argument 11, argument 12",
    ],
    [
      'export const p = xpd((packet) => 2)',
      "'xpd' makes neither a map, a global variable nor a program | Did you mean 'xdp'?",
    ],
  ])('%s', (text, expected) => {
    expect(mistake(text)).toBe(expected)
  })

  const head = 'interface Ethernet { to: bytes<6>; from: bytes<6>; type: be16 }\n'
  it.each([
    [
      'export const p = socketFilter((packet) => packet.read<Ethernet>(0) ? 1 : 0)',
      'socket filters cannot read the packet in place | Copy from it: packet.load<Ethernet>(0).',
    ],
    [
      'export const p = xdp((packet) => { const e = packet.read<Ethernet>(0); if (!e) return 2; bpf.xdpAdjustHead(4); return e.type === 1 ? 1 : 2 })',
      "'e' points to where the packet was before it was changed | Read it again.",
    ],
    [
      'export const p = tcIngress((packet) => { const e = packet.read<Ethernet>(0); if (!e) return 2; if (packet.len > 60) bpf.skbChangeTail(60, 0); return e.type === 1 ? 1 : 2 })',
      "'e' points to where the packet was before it was changed | Read it again.",
    ],
    [
      'export const p = xdp((packet) => packet.read(0) ? 1 : 2)',
      'this needs the type of what it reads | Write packet.read<Ethernet>(0).',
    ],
    [
      'export const p = xdp((packet) => packet.read<Ethernet>() ? 1 : 2)',
      'this needs the offset in the packet | Write packet.read<Ethernet>(0).',
    ],
    [
      'export const p = xdp((packet) => packet.read<Ethernet>(40000) ? 1 : 2)',
      'an offset in a packet is 0 to 32767',
    ],
    [
      'export const p = xdp((packet) => packet.reed<Ethernet>(0) ? 1 : 2)',
      "the packet has no function 'reed' | Did you mean 'read'?",
    ],
    [
      'export const p = xdp((packet) => { const c = packet.cursor(); c.jump(3); return 2 })',
      "a cursor has no function 'jump' | It has next, peek, skip.",
    ],
    [
      'export const p = skMsg((msg) => msg.load<Ethernet>(0) ? 1 : 0)',
      'a struct sk_msg_md has no copies | Read it in place: read<T>(offset).',
    ],
    [
      'export const p = xdp((packet) => { bpf.updateChecksum(1, 2); return 2 })',
      'updateChecksum needs the checksum, the old number and the new one | Write ip.checksum = bpf.updateChecksum(ip.checksum, from, to).',
    ],
    [
      'interface Odd { a: bytes<3> }\nexport const p = xdp((packet) => { const o = packet.read<Odd>(0); if (!o) return 2; return bpf.checksum(o) > 1 ? 1 : 2 })',
      'a checksum is over an even number of bytes, 128 at most, and this has 3',
    ],
  ])('%s', (text, expected) => {
    expect(mistake(head + text)).toBe(expected)
  })
})
