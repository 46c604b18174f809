// The functions that make programs, with the sections of libbpf and what the kernel passes to each.

import type { ModuleProgram } from '../module.js'

/** What the parameters of a program are. */
export type Parameters =
  | 'tracepoint arguments'
  | 'tracepoint record'
  | 'function arguments'
  | 'function arguments and result'
  | 'registers'
  | 'registers of a call'
  | 'result in a register'
  | 'system call arguments'
  | 'probe arguments'
  | 'iterator'
  | 'context'
  | 'packet'
  | 'sample'
  | 'function of a struct'
  | 'function of a program'
  | 'what user space passes'

export interface Hook {
  /** The section, up to what the program is attached to. */
  readonly section: string
  readonly parameters: Parameters
  /** The kernel's struct that programs see as their context or packet. */
  readonly context?: string
  /** The verifier knows the kernel's pointers, so they are followed without a helper. */
  readonly trusted: boolean
  /** Whether the program names what it is attached to. */
  readonly target: 'required' | 'optional' | 'none'
  /** The prefix of the function's name in the kernel. */
  readonly prefix?: string
  /** The first version of Linux that has it. */
  readonly since: string
}

const at = (section: string, parameters: Parameters, since: string, rest: Partial<Hook> = {}): Hook => ({
  section,
  parameters,
  since,
  trusted: true,
  target: 'required',
  ...rest,
})

const on = (section: string, context: string, since: string): Hook => ({
  section,
  parameters: 'context',
  context,
  since,
  trusted: true,
  target: 'none',
})

const packets = (section: string, context: string, since: string): Hook => ({
  ...on(section, context, since),
  parameters: 'packet',
})

const untrusted = { trusted: false }
const optional = { target: 'optional' } as const

/**
 * Hooks by the function that makes a program for them. Classifiers also load into kernels without TCX, where attachTc()
 * attaches them.
 */
export const hooks: Readonly<Record<string, Hook>> = {
  rawTp: at('raw_tp', 'tracepoint arguments', '4.17', untrusted),
  rawTpWritable: at('raw_tp.w', 'tracepoint arguments', '5.2', untrusted),
  tpBtf: at('tp_btf', 'tracepoint arguments', '5.5'),
  tracepoint: at('tp', 'tracepoint record', '4.7'),
  fentry: at('fentry', 'function arguments', '5.5'),
  fexit: at('fexit', 'function arguments and result', '5.5'),
  fsession: at('fsession', 'function arguments and result', '7.0'),
  fsessionSleepable: at('fsession.s', 'function arguments and result', '7.0'),
  fmodRet: at('fmod_ret', 'function arguments and result', '5.7'),
  fmodRetSleepable: at('fmod_ret.s', 'function arguments and result', '5.10'),
  fentrySleepable: at('fentry.s', 'function arguments', '5.10'),
  fexitSleepable: at('fexit.s', 'function arguments and result', '5.10'),
  lsmSleepable: at('lsm.s', 'function arguments', '5.10', { prefix: 'bpf_lsm_' }),
  uprobeSleepable: at('uprobe.s', 'registers of a call', '6.0', { ...untrusted, ...optional }),
  uretprobeSleepable: at('uretprobe.s', 'result in a register', '6.0', { ...untrusted, ...optional }),
  iterSleepable: at('iter.s', 'iterator', '6.1'),
  lsm: at('lsm', 'function arguments', '5.7', { prefix: 'bpf_lsm_' }),
  lsmCgroup: at('lsm_cgroup', 'function arguments', '6.0', { prefix: 'bpf_lsm_' }),
  kprobe: at('kprobe', 'registers', '4.1', untrusted),
  kretprobe: at('kretprobe', 'result in a register', '4.1', untrusted),
  kprobeMulti: at('kprobe.multi', 'registers of a call', '5.18', { ...untrusted, ...optional }),
  kretprobeMulti: at('kretprobe.multi', 'result in a register', '5.18', { ...untrusted, ...optional }),
  kprobeSession: at('kprobe.session', 'registers of a call', '6.10', { ...untrusted, ...optional }),
  uprobeSession: at('uprobe.session', 'registers of a call', '6.13', { ...untrusted, ...optional }),
  uprobeSessionSleepable: at('uprobe.session.s', 'registers of a call', '6.13', {
    ...untrusted,
    ...optional,
  }),
  uprobeMultiSleepable: at('uprobe.multi.s', 'registers of a call', '6.6', { ...untrusted, ...optional }),
  uretprobeMultiSleepable: at('uretprobe.multi.s', 'result in a register', '6.6', {
    ...untrusted,
    ...optional,
  }),
  ksyscall: at('ksyscall', 'system call arguments', '4.1', untrusted),
  kretsyscall: at('kretsyscall', 'result in a register', '4.1', untrusted),
  uprobe: at('uprobe', 'registers of a call', '4.3', { ...untrusted, ...optional }),
  uretprobe: at('uretprobe', 'result in a register', '4.3', { ...untrusted, ...optional }),
  uprobeMulti: at('uprobe.multi', 'registers of a call', '6.6', { ...untrusted, ...optional }),
  uretprobeMulti: at('uretprobe.multi', 'result in a register', '6.6', { ...untrusted, ...optional }),
  usdt: at('usdt', 'probe arguments', '4.3', { ...untrusted, ...optional }),
  usdtSleepable: at('usdt.s', 'probe arguments', '6.0', { ...untrusted, ...optional }),
  perfEvent: on('perf_event', 'bpf_perf_event_data', '4.9'),
  iter: at('iter', 'iterator', '5.8'),
  xdp: packets('xdp', 'xdp_md', '4.8'),
  xdpFrags: packets('xdp.frags', 'xdp_md', '5.18'),
  xdpDevmap: packets('xdp/devmap', 'xdp_md', '5.8'),
  xdpCpumap: packets('xdp/cpumap', 'xdp_md', '5.9'),
  xdpFragsDevmap: packets('xdp.frags/devmap', 'xdp_md', '5.18'),
  xdpFragsCpumap: packets('xdp.frags/cpumap', 'xdp_md', '5.18'),
  tcIngress: packets('tcx/ingress', '__sk_buff', '4.1'),
  tcEgress: packets('tcx/egress', '__sk_buff', '4.1'),
  tc: packets('tc', '__sk_buff', '4.1'),
  netkitPrimary: packets('netkit/primary', '__sk_buff', '6.7'),
  netkitPeer: packets('netkit/peer', '__sk_buff', '6.7'),
  socketFilter: packets('socket', '__sk_buff', '3.19'),
  lwtIn: packets('lwt_in', '__sk_buff', '4.10'),
  lwtOut: packets('lwt_out', '__sk_buff', '4.10'),
  lwtXmit: packets('lwt_xmit', '__sk_buff', '4.10'),
  lwtSeg6local: packets('lwt_seg6local', '__sk_buff', '4.18'),
  skReuseport: packets('sk_reuseport', 'sk_reuseport_md', '4.19'),
  skReuseportMigrate: packets('sk_reuseport/migrate', 'sk_reuseport_md', '5.14'),
  flowDissector: packets('flow_dissector', '__sk_buff', '4.20'),
  skSkbParser: packets('sk_skb/stream_parser', '__sk_buff', '4.14'),
  skSkbVerdict: packets('sk_skb/stream_verdict', '__sk_buff', '4.14'),
  skSkb: packets('sk_skb/verdict', '__sk_buff', '5.13'),
  skMsg: packets('sk_msg', 'sk_msg_md', '4.17'),
  skLookup: on('sk_lookup', 'bpf_sk_lookup', '5.9'),
  netfilter: on('netfilter', 'bpf_nf_ctx', '6.4'),
  sockOps: on('sockops', 'bpf_sock_ops', '4.13'),
  cgroupIngress: packets('cgroup_skb/ingress', '__sk_buff', '4.10'),
  cgroupEgress: packets('cgroup_skb/egress', '__sk_buff', '4.10'),
  cgroupSockCreate: on('cgroup/sock_create', 'bpf_sock', '4.10'),
  cgroupSockRelease: on('cgroup/sock_release', 'bpf_sock', '5.9'),
  cgroupPostBind4: on('cgroup/post_bind4', 'bpf_sock', '4.17'),
  cgroupPostBind6: on('cgroup/post_bind6', 'bpf_sock', '4.17'),
  cgroupBind4: on('cgroup/bind4', 'bpf_sock_addr', '4.17'),
  cgroupBind6: on('cgroup/bind6', 'bpf_sock_addr', '4.17'),
  cgroupConnect4: on('cgroup/connect4', 'bpf_sock_addr', '4.17'),
  cgroupConnect6: on('cgroup/connect6', 'bpf_sock_addr', '4.17'),
  cgroupConnectUnix: on('cgroup/connect_unix', 'bpf_sock_addr', '6.7'),
  cgroupSendmsgUnix: on('cgroup/sendmsg_unix', 'bpf_sock_addr', '6.7'),
  cgroupRecvmsgUnix: on('cgroup/recvmsg_unix', 'bpf_sock_addr', '6.7'),
  cgroupGetpeernameUnix: on('cgroup/getpeername_unix', 'bpf_sock_addr', '6.7'),
  cgroupGetsocknameUnix: on('cgroup/getsockname_unix', 'bpf_sock_addr', '6.7'),
  cgroupSendmsg4: on('cgroup/sendmsg4', 'bpf_sock_addr', '4.18'),
  cgroupSendmsg6: on('cgroup/sendmsg6', 'bpf_sock_addr', '4.18'),
  cgroupRecvmsg4: on('cgroup/recvmsg4', 'bpf_sock_addr', '5.2'),
  cgroupRecvmsg6: on('cgroup/recvmsg6', 'bpf_sock_addr', '5.2'),
  cgroupGetpeername4: on('cgroup/getpeername4', 'bpf_sock_addr', '5.8'),
  cgroupGetpeername6: on('cgroup/getpeername6', 'bpf_sock_addr', '5.8'),
  cgroupGetsockname4: on('cgroup/getsockname4', 'bpf_sock_addr', '5.8'),
  cgroupGetsockname6: on('cgroup/getsockname6', 'bpf_sock_addr', '5.8'),
  cgroupSysctl: on('cgroup/sysctl', 'bpf_sysctl', '5.2'),
  cgroupDevice: on('cgroup/dev', 'bpf_cgroup_dev_ctx', '4.15'),
  cgroupGetsockopt: on('cgroup/getsockopt', 'bpf_sockopt', '5.3'),
  cgroupSetsockopt: on('cgroup/setsockopt', 'bpf_sockopt', '5.3'),
  lircMode2: at('lirc_mode2', 'sample', '4.18', { target: 'none' }),
  structOps: at('struct_ops', 'function of a struct', '5.6'),
  freplace: at('freplace', 'function of a program', '5.6', optional),
  syscall: at('syscall', 'what user space passes', '5.14', { target: 'none' }),
}

/** Whether a program may sleep. Some maps and helpers are only for such programs, and others cannot be used by them. */
export const maySleep = ({ hook, ops }: ModuleProgram): boolean =>
  hook === 'syscall' || hook.endsWith('Sleepable') || ops?.sleeps === true

/** Whether programs see packets but are refused if they write to them in place. */
export const onlyReads = (hook: string): boolean =>
  /^(lwt(In|Out|Seg6local)|cgroup(In|E)gress|skReuseport.*|flowDissector|sockOps)$/.test(hook)
