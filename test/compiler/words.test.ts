// tsc, the compiler and the verifier accept the same programs: hooks, maps and helpers in one file.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { tsc, useFolder } from '../codegen/helper.js'
import { requiresFeature } from '../helpers/kernel.js'
import { useBpffs } from '../helpers/privileged.js'

const folder = useFolder()
const bpffs = useBpffs()

const text = `import {
  array, arrayOfMaps, bloomFilter, bpf, cgroupConnect4, cgroupEgress, cgroupGetsockopt, cgroupSysctl, cpumap, data, devmap, flowDissector, hash, hashOfMaps, iter, kconfig, kfunc,
  ksyscall, LWT, lwtIn, lwtOut, lwtSeg6local, lwtXmit, lpmTrie, netfilter, NF, percpuArray, perfEvent, perfEvents, programArray, queue, register, ringbuf, SK, skLookup, skMsg, sockmap, sockOps, socketFilter, socketStorage, stackTraces, syscall, taskStorage, TC, tcIngress, tpBtf, uprobe, usdt, userRingbuf, XDP, xdp, xdpFragsCpumap, xdpFragsDevmap, zero,
  type be16, type be32, type bytes, type Dynptr, type HashMap, type char, type s32, type s64, type spinLock, type timer, u32, type u64, type u8,
} from 'libbpf-node/kernel'

interface Ethernet { to: bytes<6>; from: bytes<6>; type: be16 }
interface Ipv4 { version: u8; tos: u8; length: be16; id: be16; fragment: be16; ttl: u8; protocol: u8; checksum: be16; source: be32; destination: be32 }
interface Key { prefixlen: u32; address: bytes<4> }
interface Event { pid: u32; comm: char<16> }
interface Guarded { lock: spinLock; a: u64; timer: timer }
interface Tuple { saddr: be32; daddr: be32; sport: be16; dport: be16 }
export let out = data<u64>(0)
export const routes = lpmTrie<Key, u64>(16, { pin: true })
export const todo = queue<u64>(16)
export const seen = bloomFilter<u64>(16, { hashes: 3 })
export const outer = hashOfMaps<u32, HashMap<u32, u64>>(8, hash<u32, u64>(16))
export const list = arrayOfMaps(8, array<u64>(2))
export const perTask = taskStorage<u64>()
export const perSocket = socketStorage<u64>()
export const next = programArray(4)
export const perf = perfEvents<Event>()
export const commands = userRingbuf<Event>(4096)
export const stacks = stackTraces(16)
export const ports = devmap(4)
export const cpus = cpumap(4)
export const sockets = sockmap(4)
export const guarded = array<Guarded>(1)
export const percpu = percpuArray<u64>(4)
export const events = ringbuf<Event>(4096, { countLost: true })
export const hz = kconfig<u32>('CONFIG_HZ')
export const onFrame = xdp((packet) => {
  const cursor = packet.cursor()
  const eth = cursor.next<Ethernet>()
  if (!eth || eth.type !== 0x0800) return XDP.PASS
  const ip = cursor.peek<Ipv4>()
  if (!ip) return XDP.PASS
  const old = ip.source
  ip.source = 0x01020304
  ip.checksum = bpf.updateChecksum(ip.checksum, old, ip.source)
  const key: Key = { prefixlen: 32, address: [10, 0, 0, 1] }
  const found = routes.get(key)
  if (found) out += found.value
  todo.push(out)
  const first = todo.pop()
  if (first) out = first.value
  if (!seen.has(out)) seen.add(out)
  const inner = outer.get(1)
  if (inner) inner.add(1, 2)
  const second = list.get(0)
  if (second) { const v = second.get(1); if (v) v.value += 1 }
  if (packet.length > 100) next.call(1)
  const other = percpu.getOn(0, 1)
  if (other) out += other.value
  const g = guarded.get(0)
  if (!g) return XDP.DROP
  g.lock.acquire()
  g.a = g.a + 1
  g.lock.release()
  g.timer.start(1000, (k, v) => { out += 1; return 0 })
  if (bpf.xdpAdjustHead(-14) !== 0) return XDP.ABORTED
  return ports.redirect(packet.rx_queue_index, XDP.PASS)
})
export const onPacket = tcIngress((packet) => {
  const tuple: Tuple = { saddr: 1, daddr: 2, sport: 3, dport: 4 }
  const sk = bpf.skLookupTcp(tuple, -1, 0)
  if (sk) { out = sk.src_port; bpf.skRelease(sk) }
  packet.mark = 5
  const whole = packet.dynptr()
  const eth = whole.slice<Ethernet>(0)
  if (eth) out = eth.type
  if (whole.size() > 14 && !whole.isRdonly()) finish(whole.clone())
  const copy = packet.load<Ethernet>(packet.len - 14)
  if (copy) packet.store(0, copy)
  const own = packet.sk
  if (own) { const full = bpf.skFullsock(own); if (full) { const c = perSocket.getOrCreate(full); if (c) c.value += 1 } }
  return TC.PASS
})
export const a = cgroupConnect4((ctx) => { if (ctx.user_port === 80) ctx.user_port = 8080; return 1 })
export const b = cgroupEgress((packet) => { const ip = packet.read<Ipv4>(0); return ip && ip.protocol === 17 ? 0 : 1 })
export const c = cgroupGetsockopt((ctx) => { const v = ctx.read<u32>(0); if (v) v.value = 5; return 1 })
export const d = cgroupSysctl((ctx) => { const name: char<32> = ''; bpf.sysctlGetName(name, 0); return ctx.write === 0 ? 1 : 0 })
export const e = skLookup((ctx) => { const sk = sockets.get(0); if (!sk) return SK.PASS; bpf.skAssign(sk, 0); bpf.skRelease(sk); return SK.PASS })
export const f = skMsg((msg) => sockets.redirect(0, true))
export const g = sockOps((ctx) => { if (ctx.op === 4) sockets.add(1); return 1 })
export const h = socketFilter((packet) => { const e = packet.load<Ethernet>(0); return e ? 14 : 0 })
function finish(part: Dynptr): void { if (part.adjust(14, part.size()) === 0) part.write<u8>(1, 4) }
export const i = netfilter((ctx) => { const ip = ctx.dynptr().read<Ipv4>(0); return ip && ip.ttl === 0 ? NF.DROP : NF.ACCEPT })
export const j = perfEvent((ctx) => { out = ctx.sample_period; return 0 })
export const k = iter('task', (ctx) => { const task = ctx.task; if (!task) return 0; ctx.print(\`\${task.pid} \${task.comm}\`); return 0 })
export const l = iter<u32, u64>('bpf_map_elem', (ctx) => { const key = ctx.key; if (!key) return 0; out = key.value; return 0 })
export const m = tpBtf('sched_switch', (preempt, prev) => { const v = perTask.getOrCreate(prev); if (v) v.value += 1; const id = stacks.id(); if (id < 0) return 0; perf.emit({ pid: prev.pid, comm: prev.comm }); return 0 })
export const n = uprobe('/bin/true:main', (argc: s32, argv) => { out = argv; return argc })
export const o = usdt((number: s64, text) => { const s: char<16> = bpf.probeReadUserStr(text); events.emit({ pid: u32(number), comm: s }); return 0 })
export const p = ksyscall('openat', (folder: s32, path) => 0)
export const q = syscall(() => { const task = kfunc.bpf_task_from_pid(1); if (!task) return 1; out = task.pid; kfunc.bpf_task_release(task); return 0 })
export const r = flowDissector((packet) => { packet.flow_keys.nhoff = 14; return 0 })
export const z = xdpFragsDevmap((packet) => packet.ingress_ifindex === 1 ? XDP.DROP : XDP.PASS)
export const aa = xdpFragsCpumap((packet) => XDP.PASS)
export const v = lwtIn((packet) => packet.length > 100 ? LWT.REROUTE : LWT.OK)
export const w = lwtOut((packet) => LWT.DROP)
export const x = lwtXmit((packet) => { const h = packet.read<Ipv4>(0); if (h) h.ttl = 1; return LWT.REDIRECT })
export const y = lwtSeg6local((packet) => LWT.OK)
export const s = xdp((packet) => cpus.redirect(1))
export const u = uprobe('/bin/true:main', () => { out = register('sp'); return 0 })
export const t = syscall(() => s32ofDrain())
function s32ofDrain(): s32 { commands.drain((command) => { if (!command) return 0; out += command.pid; return 0 }); return 0 }
export const license = 'GPL'
`

describe('programs with many hooks, maps and helpers', () => {
  it('are right to tsc', async () => {
    writeFileSync(join(folder, 'many.bpf.ts'), text)
    const options = {
      noUncheckedIndexedAccess: false,
      noPropertyAccessFromIndexSignature: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
    }
    expect(await tsc(folder, options)).toBe('')
  }, 60_000)

  const accepted = () => {
    using object = BpfObject.open(compile(text).object, { pinRootPath: bpffs() })
    object.loadSync()
    expect([...object.programs.keys()]).toContain('onFrame')
  }
  requiresFeature('mapElements', 'are accepted by the verifier', accepted, '6.7')
})
