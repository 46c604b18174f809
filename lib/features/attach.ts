// Finds out whether the kernel has an attach type: loads a program for it and attaches the program to something that
// does not exist. The errno tells whether the kernel looked for that something, or refused before it did.
import { constants } from 'node:os'
import { capabilitiesFor } from '../machine/capabilities.js'
import { kernelEnum, kernelTypes } from '../machine/kernel-types.js'
import { tooOldFor } from '../machine/kernel-version.js'
import { native } from '../native/binding.js'
import {
  type AttachType,
  attachTypeNumber,
  type LinkType,
  type ProgramType,
  programTypeNumber,
} from '../native/type-names.js'
import { type Answer, judge, no, unknown, yes } from './answer.js'
import { ask, type Probe } from './ask.js'
import { exit, instructions, result } from './instructions.js'
import { attachTypesSince, linkTypesSince } from './since.js'

const { EAFNOSUPPORT, EBADF, EFAULT, EINVAL, ENODEV, ENOENT, EOPNOTSUPP } = constants.errno

/** The enum `How` of binding/features.cc, and the errno with which a kernel that has the attach type refuses. */
const hows = {
  load: { how: 0, would: 0 },
  linkToNoFd: { how: 1, would: EBADF },
  linkToNoTarget: { how: 2, would: 0 },
  linkToNoInterface: { how: 1, would: ENODEV },
  linkToNoFamily: { how: 1, would: EAFNOSUPPORT },
  attachToNoFd: { how: 3, would: EBADF },
  rawTracepointOfNoName: { how: 4, would: ENOENT },
  kprobeMulti: { how: 5, would: EFAULT },
  uprobeMulti: { how: 6, would: EBADF },
  xdpOnLoopback: { how: 7, would: EOPNOTSUPP },
} as const

interface Way {
  type: ProgramType
  how: keyof typeof hows
  /** The kernel function or type that the program is loaded for. */
  target?: { kind: 'func' | 'typedef'; name: string }
  returns?: number
  flags?: number
}

const way = (type: ProgramType, how: Way['how'], rest: Omit<Way, 'type' | 'how'> = {}): Way => ({
  type,
  how,
  ...rest,
})
const onFunction = (type: ProgramType, name: string): Way =>
  way(type, 'load', { target: { kind: 'func', name }, returns: 0 })
const sockAddr = way('cgroup_sock_addr', 'attachToNoFd')
const cgroupSock = way('cgroup_sock', 'attachToNoFd')
const cgroupSkb = way('cgroup_skb', 'attachToNoFd')
const sockopt = way('cgroup_sockopt', 'attachToNoFd')
const skb = way('sk_skb', 'attachToNoFd')
const tcx = way('sched_cls', 'linkToNoInterface')

/** The kernel accepts the attach types that are missing here without a check, so only its BTF can tell. */
const ways: Partial<Record<AttachType, Way>> = {
  cgroup_inet_ingress: cgroupSkb,
  cgroup_inet_egress: cgroupSkb,
  cgroup_inet_sock_create: cgroupSock,
  cgroup_inet_sock_release: cgroupSock,
  cgroup_inet4_post_bind: cgroupSock,
  cgroup_inet6_post_bind: cgroupSock,
  cgroup_sock_ops: way('sock_ops', 'attachToNoFd'),
  cgroup_device: way('cgroup_device', 'attachToNoFd'),
  cgroup_sysctl: way('cgroup_sysctl', 'attachToNoFd'),
  cgroup_getsockopt: sockopt,
  cgroup_setsockopt: sockopt,
  cgroup_inet4_bind: sockAddr,
  cgroup_inet6_bind: sockAddr,
  cgroup_inet4_connect: sockAddr,
  cgroup_inet6_connect: sockAddr,
  cgroup_unix_connect: sockAddr,
  cgroup_udp4_sendmsg: sockAddr,
  cgroup_udp6_sendmsg: sockAddr,
  cgroup_unix_sendmsg: sockAddr,
  cgroup_udp4_recvmsg: sockAddr,
  cgroup_udp6_recvmsg: sockAddr,
  cgroup_unix_recvmsg: sockAddr,
  cgroup_inet4_getpeername: sockAddr,
  cgroup_inet6_getpeername: sockAddr,
  cgroup_unix_getpeername: sockAddr,
  cgroup_inet4_getsockname: sockAddr,
  cgroup_inet6_getsockname: sockAddr,
  cgroup_unix_getsockname: sockAddr,
  sk_skb_stream_parser: skb,
  sk_skb_stream_verdict: skb,
  sk_skb_verdict: skb,
  sk_msg_verdict: way('sk_msg', 'attachToNoFd'),
  lirc_mode2: way('lirc_mode2', 'attachToNoFd'),
  sk_lookup: way('sk_lookup', 'linkToNoFd'),
  xdp: way('xdp', 'xdpOnLoopback'),
  perf_event: way('tracepoint', 'linkToNoFd'),
  netfilter: way('netfilter', 'linkToNoFamily'),
  tcx_ingress: tcx,
  tcx_egress: tcx,
  netkit_primary: tcx,
  netkit_peer: tcx,
  trace_kprobe_multi: way('kprobe', 'kprobeMulti', { returns: 0 }),
  trace_kprobe_session: way('kprobe', 'kprobeMulti', { returns: 0 }),
  trace_uprobe_multi: way('kprobe', 'uprobeMulti', { returns: 0 }),
  trace_uprobe_session: way('kprobe', 'uprobeMulti', { returns: 0 }),
  trace_raw_tp: way('tracing', 'load', {
    target: { kind: 'typedef', name: 'btf_trace_sys_enter' },
    returns: 0,
  }),
  trace_fentry: onFunction('tracing', 'bpf_fentry_test1'),
  trace_fexit: onFunction('tracing', 'bpf_fentry_test1'),
  trace_fsession: onFunction('tracing', 'bpf_fentry_test1'),
  modify_return: onFunction('tracing', 'security_file_open'),
  trace_iter: onFunction('tracing', 'bpf_iter_task'),
  lsm_mac: onFunction('lsm', 'bpf_lsm_file_open'),
  lsm_cgroup: way('lsm', 'load', { target: { kind: 'func', name: 'bpf_lsm_socket_bind' } }),
}

/** The attach type that a type of link is tried with, and how. */
const linkWays: Partial<Record<LinkType, [AttachType, Way]>> = {
  raw_tracepoint: ['cgroup_inet_ingress', way('raw_tracepoint', 'rawTracepointOfNoName', { returns: 0 })],
  cgroup: ['cgroup_inet_egress', way('cgroup_skb', 'linkToNoFd')],
  iter: ['trace_iter', { ...onFunction('tracing', 'bpf_iter_task'), how: 'linkToNoTarget' }],
  netns: ['flow_dissector', way('flow_dissector', 'linkToNoFd')],
  xdp: ['xdp', way('xdp', 'xdpOnLoopback')],
  sockmap: ['sk_skb_stream_verdict', way('sk_skb', 'linkToNoFd')],
}

/** Types of links that came with an attach type. */
const linkAttachTypes: Partial<Record<LinkType, AttachType>> = {
  tracing: 'trace_fentry',
  perf_event: 'perf_event',
  kprobe_multi: 'trace_kprobe_multi',
  struct_ops: 'struct_ops',
  netfilter: 'netfilter',
  tcx: 'tcx_ingress',
  uprobe_multi: 'trace_uprobe_multi',
  netkit: 'netkit_primary',
}

export function* attachType(name: AttachType): Probe<Answer> {
  const since = attachTypesSince[name]
  const number = attachTypeNumber(name)
  const known = kernelEnum('bpf_attach_type', 'BPF_')
  if (known !== undefined && !known.has(name.toUpperCase())) {
    return no(tooOldFor(since) ?? "the kernel's BTF does not have it", since)
  }
  const wanted = ways[name]
  if (wanted !== undefined) return yield* tried(wanted, number, since)
  return known === undefined
    ? unknown("only the kernel's BTF could tell, and it cannot be read", since)
    : yes(since)
}

export function* linkType(name: LinkType): Probe<Answer> {
  const since = linkTypesSince[name]
  const wanted = linkWays[name]
  if (wanted !== undefined) return yield* tried(wanted[1], attachTypeNumber(wanted[0]), since)
  const by = linkAttachTypes[name]
  if (by === undefined) throw new TypeError(`link type '${name}' does not exist`)
  const answer = yield* attachType(by)
  return Object.freeze(since === undefined ? answer : { ...answer, since })
}

function* tried(wanted: Way, number: number, since: string | undefined): Probe<Answer> {
  const { type, how, target, returns = 1, flags = 0 } = wanted
  const capabilities = capabilitiesFor([type])
  let id = 0
  if (target !== undefined) {
    const types = kernelTypes()
    if (types === undefined) return unknown("it requires the kernel's BTF, which cannot be read", since)
    const found = types.find(target.name, target.kind)
    if (found === undefined) return unknown(`this kernel has no ${target.name} to try it on`, since)
    id = found.id
  }
  const code = instructions(result(returns), exit)
  const loaded = yield* ask(
    native.probeLoad,
    native.probeLoadAsync,
    programTypeNumber(type),
    number,
    id,
    flags,
    code,
    hows[how].how,
  )
  if (loaded.load < 0) return judge(loaded.load, capabilities, since)
  const { would } = hows[how]
  if (loaded.attach === -would) return yes(since)
  // The kernel accepted it without checking, or refused it as a whole. EOPNOTSUPP comes from the kernel here, not from
  // libbpf.
  const isRefused = loaded.attach === 0 || loaded.attach === -EOPNOTSUPP
  return judge(isRefused ? -EINVAL : loaded.attach, capabilities, since)
}
