// tsc, with the declarations of `libbpf-node types`, and the compiler judge the same programs.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CompileError, compile } from 'libbpf-node/kernel'
import { beforeAll, describe, expect, it } from 'vitest'
import { libbpfNode, root, tsc, useFolder } from '../codegen/helper.js'
import { twins } from '../helpers/example.js'

const folder = useFolder()

const head = `import {
  array, bpf, bss, cgroupConnect4, cgroupRecvmsg4, data, devmap, fentry, hash, hashOfMaps, kfunc, log2, lsm, rawTp, ringbuf, rodata, range, sizeof, str,
  structOps, syscall, tcIngress, TC, tpBtf, u8, u32, u64, s32, xdp, XDP, zero, type be16, type be32, type bytes, type char, type kernel, type kptr, type u16, type s64, type timer,
} from 'libbpf-node/kernel'
interface Event { pid: u32; comm: char<16> }
interface Tuple { saddr: be32; daddr: be32; sport: be16; dport: be16 }
interface Open { pid: u32; text: bytes }
interface Kept { task: kptr<kernel.task_struct> }
interface Ended { code: s32; after: u64 }
interface Ethernet { to: bytes<6>; from: bytes<6>; type: be16 }
interface Timed { timer: timer; count: u64 }
export const timed = hash<u32, Timed>(4)
export const nested = hashOfMaps<u32>(4, hash<u32, u64>(8))
export const events = ringbuf<Event>(65536)
export const two = ringbuf<Event | Ended>(65536)
export const open = ringbuf<Open>(4096)
export const kept = hash<u32, Kept>(4)
export const counts = hash<u32, u64>(16)
export const last = hash<u32, Event>(16)
export const slots = array<u64>(4)
export const frames = devmap(4)
export const limit = rodata<u32>(5)
export let total = data<u64>(0)
export let name = bss<char<16>>()
export const license = 'GPL'
`
const inFunction = (body: string): string =>
  `${head}export const p = fentry('do_unlinkat', (dfd, name) => {\n${body}\n})\n`
const inTracepoint = (body: string): string =>
  `${head}export const p = tpBtf('sched_process_exec', (task, oldPid, bprm) => {\n${body}\n})\n`
const inOps = (members: string): string =>
  `${head}export const p = structOps('tcp_congestion_ops', { ${members} })\n`
const inClassifier = (body: string): string =>
  `${head}export const p = tcIngress((packet) => {\n${body}\n})\n`
const inPacket = (body: string): string => `${head}export const p = xdp((packet) => {\n${body}\n})\n`

const inWritable = (body: string): string =>
  `${head}import { rawTpWritable } from 'libbpf-node/kernel'\nexport const p = rawTpWritable('bpf_test_finish', (error) => {\n${body}\nreturn 0\n})\n`
const inSleeping = (body: string): string =>
  `${head}import { sleepable } from 'libbpf-node/kernel'\nexport const p = structOps('bpf_dummy_ops', { test_sleepable: sleepable((state) => {\n${body}\nreturn 0\n}) })\n`
const inGlobal = (call: string): string =>
  `${head}import { freplace, globalFunction, type Frame } from 'libbpf-node/kernel'
export const wanted = globalFunction((packet: Frame, least: u32): boolean => packet.length >= least)
export const p = xdp((packet) => wanted(${call}) ? XDP.PASS : XDP.DROP)
export const q = freplace('wanted', (packet: Frame, least: u32): boolean => least > 1)
`

const inArena = (body: string): string =>
  `${head}import { arena, type ptr } from 'libbpf-node/kernel'
interface Item { value: u64; next: ptr<Item> }
interface Shared { at: Tuple; first: ptr<Item>; items: array<Item, 8>; used: u32 }
export const shared = arena<Shared>(2)
export const p = syscall(() => {\n${body}\n})
`

const inProcess = (body: string, parameters = 'request: user<Request>, length'): string =>
  `${head}import { ksyscall, print, uprobe, uretprobe, user } from 'libbpf-node/kernel'
interface Point { x: u32; y: s64 }
interface Node { value: u32; next: user<Node> }
interface Request {
  id: u16; at: Point; first: user<Node>; name: char<16>; path: user<char>; words: user<user<char>>
  values: array<u32, 4>; key: bytes<6>; port: be16
}
interface Stored { head: user<Node>; at: Point }
export const stored = hash<user<Node>, Stored>(4)
export const heads = hash<u32, user<Node>>(4)
export let newest = data<user<Node>>()
function sumOf(node: user<Node>): u64 { return node.value + node.next.value }
const after = (node: user<Node>): user<Node> => node.next
const takes = (point: Point): u64 => point.x
export const p = uprobe('/bin/true:main', (${parameters}) => {\n${body}\nreturn 0\n})
export const q = uretprobe('/bin/true:main', (result: user<Node>) => { total = result.value; return 0 })
export const r = ksyscall('execve', (path: user<char>, words: user<user<char>>) => {
  events.emit({ pid: 1, comm: words[1] })
  return 0
})
`

/** What both accept. */
const right: Record<string, string> = {
  'members in a process': inProcess(
    'total = request.first.next.value + request.at.x + request.id + request.port + request.values[2] + request.key[1]\nconst i: u32 = length & 3\ntotal += request.values[i]',
  ),
  'a pointer that is null, kept, compared and turned into a number': inProcess(
    'if (!request || request.first === null) return 0\nnewest = request.first\nif (newest === request.first) total = u64(request)\nlet n = newest\nn = n.next\nfor (let i = 0; i < 4; i++) { if (!n) break\nn = n.next }\ntotal = n ? 1 : 0',
  ),
  'a pointer from a number': inProcess(
    'const n = user<Node>(length)\ntotal = n.value + user<u64>(request).value + user<array<u32, 4>>(length)[2]',
  ),
  'copies from a process': inProcess(
    'const whole: Request = request\nconst at: Point = request.at\nconst key: bytes<6> = request.key\nstored.set(request.first, { head: request.first, at: request.at })\ntotal = whole.at.x + at.x + key[0]\nconst read = bpf.probeReadUser<Request>(request)\ntotal += read.id',
  ),
  'text of a process': inProcess(
    "const path: char<16> = request.path\nevents.emit({ pid: 1, comm: request.name })\nevents.emit({ pid: 1, comm: str(request.path) })\nif (request.path.startsWith('/') || request.name === 'a' || path === 'b') total += 1\nevents.emit({ pid: u32(total), comm: request.words[1] })\nif (request.path === 'a') total = request.path[2] + request.name[1]\nprint(`${request.path} ${request.id}`)",
  ),
  'pointers into a process in maps and functions': inProcess(
    'heads.set(1, request.first)\nconst head = heads.get(1)\nif (!head) return 0\ntotal = head.value.value + sumOf(head.value) + after(request.first).value\nhead.value = after(head.value)\nconst s = stored.get(head.value)\nif (s) total += s.head.value',
  ),
  'a struct of a process where a struct of the program is taken': inProcess('total = takes(request.at)'),
  'what a process has is written by a helper': inProcess(
    'const at: Point = request.at\nat.x = 1\nbpf.probeWriteUser(request, at)',
  ),
  'text behind a pointer': inFunction(
    "last.set(1, { pid: 1, comm: name.name })\nif (name.name === 'a' || name.name.startsWith('b')) total += 1\ntotal = u64(name.name)\nreturn 0",
  ),
  'text of the process': inTracepoint('events.emit({ pid: 1, comm: str(total) })\nreturn 0'),
  'the name of the running thread': inTracepoint(
    "const comm = bpf.getCurrentComm()\nif (comm.startsWith('a')) events.emit({ pid: 1, comm })\nreturn 0",
  ),
  'text that begins with a literal': inTracepoint(
    "const own: char<16> = task.comm\nconst e = zero<Event>()\nif (task.comm.startsWith('a') || own.startsWith('b') || e.comm.startsWith('c')) total += 1\nreturn 0",
  ),
  'a map in a map': inTracepoint(
    'const inner = nested.get(1)\nif (!inner) return 0\ninner.add(5, 1)\nconst n = inner.get(5)\nif (n) n.value += 1\nreturn 0',
  ),
  'a timer': inTracepoint(
    'const t = timed.get(1)\nif (!t) return 0\nt.timer.start(1000, (key, value: Timed) => { value.count += 1; return 0 })\nreturn 0',
  ),
  'a part of a larger number that fits': inTracepoint(
    'events.emit({ pid: bpf.getCurrentPidTgid() >> 32, comm: task.comm })\nreturn 0',
  ),
  'members of a packet that can be written': inClassifier(
    'packet.mark = 5\npacket.cb[1] = 6\nreturn TC.PASS',
  ),
  'a list in an arena': inArena(`const item = shared.items[shared.used]
  item.value = 1
  item.next = shared.first
  shared.first = item
  let last: ptr<Item> = null
  for (let one: ptr<Item> = shared.first; one; one = one.next) last = one
  shared.at = { saddr: 1, daddr: 2, sport: 3, dport: 4 }
  return last ? u32(last.value) : 0`),
  'an argument of a tracepoint that can be written': inWritable('error.value = -5'),
  'a function that may sleep': inSleeping('state.val = 3'),
  'a function that stands alone': inGlobal('packet, 60'),
  members: inTracepoint('total = u64(task.tgid)\nreturn 0'),
  'pointers that are followed': inTracepoint(
    'total = u64(task.real_parent.group_leader.tgid)\nreturn bprm.argc',
  ),
  'text of the kernel': inTracepoint('events.emit({ pid: task.tgid, comm: task.comm })\nreturn 0'),
  'text of the kernel elsewhere': inTracepoint('name = task.group_leader.comm\nreturn 0'),
  'structs in structs': inTracepoint('return task.signal.live.counter'),
  'anonymous members': inTracepoint('total = task.mm.total_vm\nreturn 0'),
  'a pointer as a condition': inTracepoint('return task.mm ? 1 : 0'),
  'the address of a struct': inTracepoint('total = u64(task)\nreturn 0'),
  'a narrower number': inTracepoint('total = task.tgid\nconst x: u64 = limit\ntotal = x\nreturn 0'),
  'arguments that are numbers': inTracepoint('return oldPid === 0 ? 1 : 0'),
  'a checked value': inTracepoint('const n = counts.get(1)\nif (!n) return 0\nn.value += 1\nreturn 0'),
  'a checked value, the other way': inTracepoint(
    'const n = counts.get(1)\nif (n !== null) n.value = 1\nreturn 0',
  ),
  'what set returns': inTracepoint('if (!counts.set(1, 2)) total += 1\nreturn 0'),
  'a reserved record': inTracepoint(
    "const e = events.reserve()\nif (!e) return 0\ne.pid = 1\ne.comm = 'a'\nevents.submit(e)\nreturn 0",
  ),
  'a record of any length': inTracepoint(
    'const e = open.reserveDynptr(sizeof<Open>() + 4)\nif (!e) return 0\nconst o = e.data<Open>(0)\nif (o) o.pid = task.tgid\ne.write<u32>(sizeof<Open>(), 5)\nopen.submit(e)\nreturn 0',
  ),
  'a dynptr for a variable': inTracepoint(
    'const d = bpf.dynptrFromMem(name)\nd.write<u64>(u32(total), 7)\nconst e = d.read<Event>(0)\nif (!e) return 0\nd.read(0, e, 4)\nreturn e.pid',
  ),
  'records of two types': inTracepoint(
    "two.emit<Event>({ pid: 1, comm: 'a' })\ntwo.emit<Ended>({ code: 1, after: 2 })\nreturn 0",
  ),
  'a large number': inTracepoint('total = u64(0xffffffffffffffffn)\nreturn 0'),
  'a struct of zeros': inTracepoint('const e = zero<Event>()\ne.pid = 1\nevents.emit(e)\nreturn 0'),
  'a slot of a histogram': inTracepoint(
    'const n = slots.get(log2(bpf.ktimeGetNs(), 3))\nif (n) n.value += 1\ntotal = log2(total)\nreturn 0',
  ),
  'a loop': inTracepoint('for (const i of range(4)) total += i\nreturn 0'),
  'the running thread': inTracepoint('const t = bpf.getCurrentTask()\nreturn t.tgid'),
  'the running thread, followed': inTracepoint('return bpf.getCurrentTask().real_parent.tgid'),
  'a thread by its number': inTracepoint(
    'const t = kfunc.bpf_task_from_pid(1)\nif (!t) return 0\nconst pid = t.pid\nkfunc.bpf_task_release(t)\nreturn pid',
  ),
  'a thread that a map keeps': inTracepoint(
    'const k = kept.get(1)\nif (!k) return 0\nconst t = k.task.xchg(null)\nif (!t) return 0\nconst pid = t.pid\nconst old = k.task.xchg(t)\nif (old) kfunc.bpf_task_release(old)\nconst now = k.task.get()\nreturn now ? now.tgid : pid',
  ),
  'a socket that was found': inClassifier(
    'const sk = bpf.skLookupTcp(zero<Tuple>(), -1, 0)\nif (!sk) return TC.PASS\nconst f = sk.family\nbpf.skRelease(sk)\nreturn f === 2 ? TC.PASS : TC.DROP',
  ),
  'the result of a redirection': inPacket('return frames.redirect(0, XDP.PASS)'),
  'an action that a function chooses': `${head}function act(x: u32): u32 { return x > 5 ? 2 : 1 }\nexport const p = xdp((packet) => act(packet.length))\n`,
  'an error of a security hook': `${head}export const p = lsm('file_open', (file) => (file.f_flags === 0 ? -13 : 0))\n`,
  'a congestion control': inOps(
    "name: 'mine', init(sk) { sk.snd_cwnd = 5\nsk.inet_conn.icsk_ca_priv[1] = 3 }, ssthresh: (sk) => sk.snd_cwnd >> 1, cong_avoid(sk, ack, acked) { if (acked > 5) sk.snd_cwnd += 1 }",
  ),
  'a function': `${head}function twice(x: u32): u32 { return x * 2 }\nexport const p = syscall(() => s32(twice(2)))\n`,
  packets: inPacket(
    'const e = packet.read<Ethernet>(0)\nif (!e) return XDP.PASS\nreturn e.type === 0x800 ? XDP.DROP : XDP.PASS',
  ),
  'bytes of a packet': inPacket(
    'const e = packet.read<Ethernet>(0)\nif (!e) return XDP.PASS\nreturn e.to[0] === 255 ? XDP.DROP : XDP.PASS',
  ),
  ...Object.fromEntries(
    twins.map((name) => [
      `examples/${name}`,
      readFileSync(join(root, `examples/${name}/${name}.bpf.ts`), 'utf8'),
    ]),
  ),
}

/** What both refuse. */
const wrong: Record<string, string> = {
  'a member in a process that does not exist': inProcess('total = request.firts.value'),
  'a member in a process that is written': inProcess('request.id = 1'),
  'a member of a struct in a process that is written': inProcess('request.at.x = 1'),
  'a number behind a pointer that is written': inProcess('request.first.value += 1'),
  'an element in a process that is written': inProcess('request.values[1] = 1'),
  'a pointer into a process plus a number': inProcess('total = u64(request + 1)'),
  'a pointer into a process as a number': inProcess('total = request'),
  'a pointer into a process that is cut off': inProcess('total = u32(request)'),
  'a number as a pointer into a process': inProcess('newest = length'),
  'a pointer to something else': inProcess('newest = request'),
  'a pointer to something else as an argument': inProcess('total = sumOf(request)'),
  'a pointer that is compared with a number': inProcess('if (request.first === length) total = 1'),
  'a pointer into a process where a helper wants memory': inProcess('bpf.probeWriteUser(length, request)'),
  'a pointer to nothing that is declared': inProcess('total = request.value', 'request: user<Nothing>'),
  'a parameter that is a struct': inProcess('total = request.id', 'request: Request'),
  'a word that is imported as a type': inTracepoint('total = s64(1)\nreturn 0'),
  'a member of a packet that can only be read': inClassifier('packet.len = 5\nreturn TC.PASS'),
  'an element of an array that is deleted': inTracepoint('slots.delete(0)\nreturn 0'),
  'a program that returns nothing': inPacket('total += 1'),
  'a program that answers with true': inPacket('return packet.length > 5'),
  'a pointer in an arena that may be null': inArena('return u32(shared.first.value)'),
  'another struct where a pointer in an arena wants one': inArena('shared.first = shared.at\nreturn 0'),
  'a number where a pointer in an arena is wanted': inArena('shared.first = shared.used\nreturn 0'),
  'a function that arenas do not have': inArena('return shared.allocate<Item>() ? 1 : 0'),
  'the argument of a tracepoint that is assigned to': inWritable('error = -5'),
  'a member that the struct of a function that may sleep does not have': inSleeping('state.vall = 3'),
  'too few arguments of a function that stands alone': inGlobal('packet'),
  'something else than the context for a function that stands alone': inGlobal('5, 60'),
  'a member that does not exist': inTracepoint('total = u64(task.tgidd)\nreturn 0'),
  'a member further away that does not exist': inTracepoint('return task.real_parent.mm.pgdd ? 1 : 0'),
  'a member of a number': inTracepoint('return task.tgid.pid'),
  'a struct as a number': inTracepoint('total = task\nreturn 0'),
  'text as a number': inTracepoint('total = task.comm\nreturn 0'),
  'a number as text': inTracepoint('name = task.tgid\nreturn 0'),
  'kernel memory that is written': inTracepoint('task.tgid = 1\nreturn 0'),
  'a word that is not imported': inTracepoint('print(`x`)\nreturn 0'),
  'a type that is not imported': inTracepoint('const x: be64 = 1\nreturn 0'),
  'a parameter too many': `${head}export const p = tpBtf('sched_process_exec', (a, b, c, d) => 0)\n`,
  'a number that is too large for its type': inTracepoint('const x: u32 = bpf.ktimeGetNs()\nreturn s32(x)'),
  'a member that is too small': inTracepoint("events.emit({ pid: task.start_time, comm: 'a' })\nreturn 0"),
  'a value that may be null': inTracepoint('const n = counts.get(1)\nn.value += 1\nreturn 0'),
  'a record that may be null': inTracepoint(
    'const e = events.reserve()\ne.pid = 1\nevents.submit(e)\nreturn 0',
  ),
  'a record of any length that may be null': inTracepoint(
    'const e = open.reserveDynptr(8)\ne.write<u32>(0, 5)\nreturn 0',
  ),
  'a function that dynptrs do not have': inTracepoint('bpf.dynptrFromMem(name).clear()\nreturn 0'),
  'a number where a map keeps a thread': inTracepoint(
    'const k = kept.get(1)\nif (!k) return 0\nconst t = k.task.xchg(5)\nif (t) kfunc.bpf_task_release(t)\nreturn 0',
  ),
  'a kept thread that may be null': inTracepoint(
    'const k = kept.get(1)\nif (!k) return 0\nreturn k.task.get().tgid',
  ),
  'a packet that may end': inPacket('return packet.read<Ethernet>(0).type === 0x800 ? XDP.DROP : XDP.PASS'),
  'a member of a record that does not exist': inTracepoint("events.emit({ pit: 1, comm: 'a' })\nreturn 0"),
  'a member of a record that is missing': inTracepoint('events.emit({ pid: 1 })\nreturn 0'),
  'a record of another type': inTracepoint('two.emit<Ethernet>(zero<Ethernet>())\nreturn 0'),
  'a value of another type': inTracepoint('last.set(1, 5)\nreturn 0'),
  'a key of another type': inTracepoint("counts.set('a', 5)\nreturn 0"),
  'text as a number for log2': inTracepoint('total = log2(task.comm)\nreturn 0'),
  'log2 of nothing': inTracepoint('total = log2()\nreturn 0'),
  'an argument too few': inTracepoint('counts.set(1)\nreturn 0'),
  'an argument too many': inTracepoint('counts.delete(1, 2)\nreturn 0'),
  'a function that maps do not have': inTracepoint('counts.put(1, 2)\nreturn 0'),
  'a helper that does not exist': inTracepoint('total = bpf.ktimeGetNS()\nreturn 0'),
  'a helper with an argument too many': inTracepoint('total = bpf.ktimeGetNs(1)\nreturn 0'),
  'a name that does not exist': inTracepoint('total = coutns\nreturn 0'),
  'a type that does not exist': inTracepoint('const x: u23 = 1\nreturn 0'),
  'an action that does not exist': inPacket('return XDP.PAS'),
  'a member that the running thread does not have': inTracepoint('return bpf.getCurrentTask().nosuch'),
  'a member that a thread by its number does not have': inTracepoint(
    'const t = kfunc.bpf_task_from_pid(1)\nif (!t) return 0\nconst pid = t.pidd\nkfunc.bpf_task_release(t)\nreturn pid',
  ),
  'an argument of a kernel function too many': inTracepoint('kfunc.bpf_task_from_pid(1, 2)\nreturn 0'),
  'a member that a socket does not have': inClassifier(
    'const sk = bpf.skLookupTcp(zero<Tuple>(), -1, 0)\nif (!sk) return TC.PASS\nconst f = sk.famly\nbpf.skRelease(sk)\nreturn f === 2 ? TC.PASS : TC.DROP',
  ),
  'a socket that may not be there': inClassifier(
    'const sk = bpf.skLookupTcp(zero<Tuple>(), -1, 0)\nreturn sk.family === 2 ? TC.PASS : TC.DROP',
  ),
  'a number that is no XDP action': inPacket('return 7'),
  'a number that is no XDP action, on one way': inPacket('return packet.length > 5 ? 7 : XDP.PASS'),
  'a number that is no TC action': inClassifier('return 3'),
  'a permission that is no permission': `${head}export const p = cgroupConnect4((ctx) => 2)\n`,
  'a refusal where nothing can be refused': `${head}export const p = cgroupRecvmsg4((ctx) => 0)\n`,
  'an answer where the kernel takes none': `${head}export const p = fentry('vfs_read', (file) => 1)\n`,
  'a security hook that returns a positive number': `${head}export const p = lsm('file_open', (file) => 1)\n`,
  'a member that congestion controls do not have': inOps("name: 'mine', initt(sk) {}"),
  'a member of the socket of a congestion control that does not exist': inOps('init(sk) { sk.snd_cwdn = 5 }'),
  'a congestion control with text for a number': inOps("flags: 'a'"),
  'an answer where a congestion control gives none': inOps('init: (sk) => 1'),
  'a const that changes': inTracepoint('const x: u32 = 1\nx = 2\nreturn 0'),
  'a map that changes': inTracepoint('counts = counts\nreturn 0'),
  'a constant of user space that is written': inTracepoint('limit = 3\nreturn 0'),
  'a function with an argument too few': `${head}function twice(x: u32): u32 { return x * 2 }\nexport const p = syscall(() => s32(twice()))\n`,
  'a function with text for a number': `${head}function twice(x: u32): u32 { return x * 2 }\nexport const p = syscall(() => s32(twice('a')))\n`,
}

const all = [...Object.entries(right), ...Object.entries(wrong)]
const fileOf = (i: number): string => `case${i}.bpf.ts`
let errors = new Map<string, string>()

beforeAll(async () => {
  const project = join(folder, 'project')
  mkdirSync(project)
  for (const [i, [, text]] of all.entries()) writeFileSync(join(project, fileOf(i)), text)
  const files = all.map((_, i) => join(project, fileOf(i)))
  const made = await libbpfNode(['types', '-o', join(project, 'kernel.d.ts'), ...files])
  expect(made).toMatchObject({ status: 0 })
  // Elements by a variable index are numbers.
  const options = { noUncheckedIndexedAccess: false, noUnusedLocals: false, noUnusedParameters: false }
  const output = await tsc(project, { noEmit: true, ...options })
  errors = new Map()
  for (const line of output.split('\n')) {
    const [, file, message] = /([\w.]+\.ts)\(\d+,\d+\): (.*)/.exec(line) ?? []
    if (file !== undefined && !errors.has(file)) errors.set(file, message!)
  }
}, 60_000)

function verdict(text: string): string | undefined {
  try {
    compile(text)
    return undefined
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return error.message
  }
}

describe('tsc and the compiler', () => {
  it('are given declarations without errors', () => {
    expect(errors.get('kernel.d.ts')).toBeUndefined()
  })

  it.each(Object.keys(right))('accept %s', (title) => {
    const i = all.findIndex(([one]) => one === title)
    expect({ tsc: errors.get(fileOf(i)), compiler: verdict(all[i]![1]) }).toEqual({})
  })

  it.each(Object.keys(wrong))('refuse %s', (title) => {
    const i = all.findIndex(([one]) => one === title)
    expect({ tsc: errors.get(fileOf(i)), compiler: verdict(all[i]![1]) }).toEqual({
      tsc: expect.any(String),
      compiler: expect.any(String),
    })
  })
})
