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
      'export const p = tcIngress((skb) => { skb.len = 5; return TC.PASS })',
      "tcIngress programs can only read 'len', unlike mark, queue_mapping, priority, tc_index, cb, tc_classid, tstamp",
    ],
    [
      'export const p = socketFilter((skb) => { skb.mark += 5; return 0 })',
      "socketFilter programs can only read 'mark', unlike cb",
    ],
    [
      'export const p = cgroupConnect4((ctx) => { ctx.user_ip6[0] = 5; return 1 })',
      "cgroupConnect4 programs can only read 'user_ip6', unlike user_ip4, user_port, msg_src_ip4",
    ],
    [
      'export const p = sockOps((ctx) => { ctx.args[0] = 5; return 1 })',
      "sockOps programs can only read 'args', unlike reply, sk_txhash",
    ],
    [
      'export const p = cgroupEgress((skb) => { const sk = skb.sk; if (sk) sk.mark = 5; return 1 })',
      "'mark' of a struct bpf_sock can only be read",
    ],
    [
      'export const p = skLookup((ctx) => { ctx.local_port = 5; return SK.PASS })',
      "skLookup programs can only read 'local_port'",
    ],
    [
      'export const p = xdp((packet) => { const length = packet.length })',
      'xdp programs return a number on every way to their end; without one it is 0 | Write return XDP.PASS.',
    ],
    [
      'export const p = cgroupConnect4((ctx) => { if (ctx.user_port === 80) return 0 })',
      'cgroupConnect4 programs return a number on every way to their end; without one it is 0 | Write return 1.',
    ],
    [
      'export const p = xdp((packet) => packet.length > 100)',
      'a program returns a number, and this is true or false | Write packet.length > 100 ? 1 : 0.',
    ],
    [
      'export const slots = array<u32>(4)\nexport const p = xdp((packet) => { slots.delete(0); return XDP.PASS })',
      "the elements of an array are always there, so it has no function 'delete' | Write slots.set(index, value), or use a hash.",
    ],
    [
      'export const slots = percpuArray<u32>(4)\nexport const p = xdp((packet) => { slots.setNew(0, 1); return XDP.PASS })',
      "the elements of an array are always there, so it has no function 'setNew' | Write slots.set(index, value), or use a hash.",
    ],
    [
      "import { xdp, type u32 } from 'libbpf-node/kernel'\nexport const p = xdp((packet) => u32(packet.length))",
      "'u32' is imported as a type | Leave out 'type' in front of u32 in the import.",
    ],
    [
      "import { xdp } from 'libbpf-node/kernel'\nimport type { XDP } from 'libbpf-node/kernel'\nexport const p = xdp((packet) => XDP.PASS)",
      "'XDP' is imported as a type | Leave out 'type' in front of XDP in the import.",
    ],
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
      "the first argument of kprobe is the name of what it is attached to | Write it as text: kprobe('...', ...).",
    ],
    ['export const p = cgroupConnect4((ctx, more) => 1)', "'cgroupConnect4' has 1 parameter: ctx"],
    [
      "export const p = rawTpWritable('sched_switch', (preempt) => 0)",
      "the first argument of the tracepoint 'sched_switch' does not point to anything that can be written | Write rawTp('sched_switch', ...).",
    ],
    [
      "export const p = rawTpWritable('sched_process_exec', (task, oldPid) => { task.mm.total_vm = 3; return 0 })",
      "the kernel's own memory can only be read",
    ],
    [
      "export const p = rawTpWritable('bpf_test_finish', (error) => { error = -5; return 0 })",
      "'error' is const | The number is error.value.",
    ],
    [
      "export const p = freplace('wanted', (uid: u32) => 0)",
      'what this function returns needs a type | Write it after the parameters: (uid: u32): s32 => 0.',
    ],
    [
      "export const p = freplace('wanted', (uid): s32 => 0)",
      "the parameter 'uid' needs a type | Write uid: u32, or uid: Packet.",
    ],
    [
      "export const p = freplace('wanted', (uid: u32): boolean => { bpf.skLookupTcp(uid, 0, 0); return true })",
      'this needs the context of the program, which this function does not get | Call it in the program itself, or give the function the packet as its argument.',
    ],
    [
      'export const f = globalFunction((a: char<16>): s32 => 0)\nexport const p = syscall(() => f(1))',
      'this function gets numbers and the context of the program, whoever calls it | Keep what is larger in a map or in a variable of the file.',
    ],
    [
      'export const f = globalFunction((a: Packet): s32 => 0)\nexport const p = xdp((packet) => f(packet) ? XDP.DROP : XDP.PASS)',
      "this is the packet, and 'f' gets the context of a program, a struct __sk_buff",
    ],
    [
      'export const f = globalFunction((): void => {})\nexport const p = syscall(() => { f(); return 0 })',
      'the kernel wants a number from this function | Return 0: (uid: u32): s32.',
    ],
    [
      'export const f = globalFunction((a: u8, b: u8, c: u8, d: u8, e: u8, g: u8): s32 => 0)\nexport const p = syscall(() => f(1, 2, 3, 4, 5, 6))',
      'the kernel passes 5 arguments to a function, and no more',
    ],
    [
      'export const f = globalFunction((): s32 => s32(bpf.skbVlanPop()))\nexport const p = syscall(() => f())',
      'syscall programs cannot call bpf.skbVlanPop | It is for tcIngress.',
    ],
    [
      'export const f = globalFunction(5)\nexport const p = syscall(() => 0)',
      'globalFunction needs a function, and nothing else | Write globalFunction((uid: u32): u32 => 1).',
    ],
    [
      'export const p = xdp((packet) => { kfunc.bpf_rbtree_first(1); return XDP.PASS })',
      "objects have words of their own for 'bpf_rbtree_first' | Write allocate<Job>(), free(job), and the functions of a list<Job> or a tree<Job> in the value of a map.",
    ],
    [
      'interface V { task: kernel.task_struct }\nexport const p = syscall(() => 0)',
      "a kernel.task_struct stays in the kernel's memory | Copy the members that you need, or keep its address: u64(task) in a u64.",
    ],
    [
      "export const p = uprobe('malloc', () => 0)",
      "a function of a program is named with its file | Write '/usr/bin/node:uv_run', or 'libc.so.6:malloc'.",
    ],
    [
      "export const p = usdt('node', () => 0)",
      "a USDT probe is named by its file, its provider and its name | Write '/usr/bin/node:node:gc__start'.",
    ],
    [
      'const name = 5\nexport const p = uretprobe(name, () => 0)',
      "the first argument of uretprobe is the name of what it is attached to | Write it as text: uretprobe('...', ...).",
    ],
    [
      "export const p = tracepoint('sched:sched_switch', (ctx) => 0)",
      "a tracepoint is named with its category | Write 'sched/sched_switch'.",
    ],
    [
      "export const p = tracepoint('syscalls/sys_enter_openat', (ctx) => s32(ctx.filename))",
      "struct trace_event_raw_sys_enter has no member 'filename' in this kernel | The arguments of a system call are numbers: ctx.args[0] to ctx.args[5].",
    ],
    ['export const p = kprobe(`vfs_read`, (file) => 0)', 'compiled'],
    [
      "export const p = fexitSleepable('inet_bind', (socket) => { const sk = socket.sk; bpf.getSocketCookie(sk); return 0 })",
      'compiled',
    ],
    [
      "type Kind = 'a' | 'b'\ninterface Odd { a: Kind }\nexport const p = syscall(() => 0)",
      'this is not a type of the kernel side | Values with names are an enum: enum Kind { Open, Close }.',
    ],
    [
      'interface A { x: u32 }\ninterface A { y: u32 }\nexport const p = syscall(() => 0)',
      "the interface 'A' is declared before | Write all members in one of them.",
    ],
    [
      'function zero(x: u32): u32 { return x }\nexport const p = syscall(() => 0)',
      "'zero' is a word of the kernel side | Give the function another name.",
    ],
    ['function log2(x: u32): s32 { return s32(x) }\nexport const p = syscall(() => log2(1))', 'compiled'],
    [
      'function f(a: u32): A { return a }\ninterface A { x: u32 }\nexport const p = syscall(() => s32(f(1)))',
      'a function returns a number | Give it what it fills as a parameter: structs are passed by reference.',
    ],
    [
      'export const p = syscall((ctx) => 0)',
      'the struct that user space passes needs a type | Write (ctx: Request) => ..., with an interface Request.',
    ],
    [
      'interface A { x: be16 }\nexport const p = netfilter((ctx) => { const a = ctx.read<A>(0); return 1 })',
      "a netfilter program has no function 'read' for the packet | Copy from it: ctx.load<Ipv4>(0). It begins with the IP header.",
    ],
    [
      'interface A { x: be16 }\nexport const p = netfilter((ctx) => { const a = ctx.load<A>(0); return a.x === 1 ? 1 : 0 })',
      "'a' may be null here | Compare it first: if (!a) return NF.ACCEPT.",
    ],
    [
      'export const p = cgroupConnect4((ctx) => ctx.user_prot === 1 ? 1 : 0)',
      "struct bpf_sock_addr has no member 'user_prot' | Did you mean 'user_port'?",
    ],
    [
      'export const p = cgroupConnect4((ctx) => ctx.sk.family === 2 ? 1 : 0)',
      'this may be null here | Give it a name first, and compare that: if (!value) return 1.',
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
    [
      "export const p = uprobe('/bin/true:main', (name: char<16>) => 0)",
      'this argument is a number | A pointer to text is a user<char>.',
    ],
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

  it.each([
    [
      'export const p = xdp((packet) => 7)',
      'xdp programs return XDP.ABORTED, XDP.DROP, XDP.PASS, XDP.TX or XDP.REDIRECT, and this is 7',
    ],
    [
      'export const p = xdp((packet) => (packet.length > 60 ? XDP.DROP : 5))',
      'xdp programs return XDP.ABORTED, XDP.DROP, XDP.PASS, XDP.TX or XDP.REDIRECT, and this is 5',
    ],
    [
      'const drop = 9\nexport const p = xdpFrags((packet) => drop)',
      'xdpFrags programs return XDP.ABORTED, XDP.DROP, XDP.PASS, XDP.TX or XDP.REDIRECT, and this is 9',
    ],
    [
      'function act(x: u32): u32 { if (x > 60) return 9\nreturn 2 }\nexport const p = xdp((packet) => act(packet.length))',
      'xdp programs return XDP.ABORTED, XDP.DROP, XDP.PASS, XDP.TX or XDP.REDIRECT, and this is 9',
    ],
    [
      'export const p = xdp((packet) => TC.DROP)',
      'xdp programs return XDP.ABORTED, XDP.DROP, XDP.PASS, XDP.TX or XDP.REDIRECT, not a constant of TC',
    ],
    [
      'export const p = tcIngress((packet) => 1)',
      'tcIngress programs return TC.NEXT, TC.PASS, TC.DROP or TC.REDIRECT, and this is 1 | tc programs, which attachTc() attaches, may return other actions, too.',
    ],
    [
      'export const p = tc((packet) => 9)',
      'tc programs return TC.NEXT, TC.PASS, TC.DROP, TC.REDIRECT or another action from -1 to 8, and this is 9',
    ],
    [
      'export const p = lwtOut((packet) => 7)',
      'lwtOut programs return LWT.OK, LWT.DROP or LWT.REROUTE, and this is 7',
    ],
    [
      'export const p = lwtXmit((packet) => XDP.PASS)',
      'lwtXmit programs return LWT.OK, LWT.DROP, LWT.REDIRECT or LWT.REROUTE, not a constant of XDP',
    ],
    ['export const p = skLookup((ctx) => 2)', 'skLookup programs return SK.DROP or SK.PASS, and this is 2'],
    ['export const p = skMsg((msg) => -1)', 'skMsg programs return SK.DROP or SK.PASS, and this is -1'],
    [
      'export const p = netfilter((ctx) => 4)',
      'netfilter programs return NF.DROP or NF.ACCEPT, and this is 4',
    ],
    [
      'export const p = cgroupConnect4((ctx) => 2)',
      'cgroupConnect4 programs return 0 or 1, and this is 2 | 1 allows it, and 0 refuses it.',
    ],
    [
      'export const p = cgroupRecvmsg4((ctx) => { if (ctx.user_port === 7) return 1 })',
      'cgroupRecvmsg4 programs return a number on every way to their end; without one it is 0 | Write return 1.',
    ],
    [
      'export const p = cgroupEgress((packet) => 4)',
      'cgroupEgress programs return 0, 1, 2 or 3, and this is 4 | 1 lets the packet pass, and 0 drops it.',
    ],
    [
      "export const p = lsm('file_open', (file) => 1)",
      'lsm programs return 0 or a negative error number, and this is 1 | 0 allows it, and -1 (EPERM) refuses it.',
    ],
    [
      "export const p = lsmCgroup('socket_bind', (sock) => -1)",
      'lsmCgroup programs return 0 or 1, and this is -1 | 1 allows it, and 0 refuses it.',
    ],
    [
      "export const p = fexit('vfs_read', (file) => 1)",
      'fexit programs return 0, and this is 1 | The kernel does not use the result of this program.',
    ],
    [
      "export const p = fsession('vfs_read', (file) => 1)",
      'fsession programs return 0, and this is 1 | The kernel does not use the result of this program.',
    ],
    [
      "export const p = iter('task', (ctx) => 2)",
      'iter programs return 0 or 1, and this is 2 | 1 asks for the same element again.',
    ],
    [
      'export const p = flowDissector((packet) => 1)',
      'flowDissector programs return 0, 2 or 129, and this is 1 | 0 says that it is done, 2 drops the packet, and 129 leaves it to the kernel.',
    ],
  ])('%s', (text, expected) => {
    expect(mistake(text)).toBe(expected)
  })

  it('is not a number that is only known when the program runs, or that never comes to a return', () => {
    const text = `
      function act(x: u32): u32 { return x > 60 ? x : 2 }
      export const p = xdp((packet) => {
        let action: u32 = 99
        if (packet.length > 60) action = XDP.DROP
        if (action === 99) return act(packet.length)
        return action
      })`
    expect(mistake(text)).toBe('compiled')
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
      'export const p = lwtOut((packet) => { const e = packet.read<Ethernet>(0); if (e) e.type = 1; return LWT.OK })',
      'lwtOut programs can only read packets',
    ],
    [
      'export const p = cgroupEgress((packet) => { const e = packet.read<Ethernet>(0); if (!e) return 1; e.to[0] = 1; return 1 })',
      'cgroupEgress programs can only read packets',
    ],
    [
      'export const p = lwtIn((packet) => { const e = packet.read<Ethernet>(0); return e.type === 1 ? 0 : 2 })',
      "'e' may be null here | Compare it first: if (!e) return LWT.OK.",
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
