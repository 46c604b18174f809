import type {
  DeviceAccess,
  NetfilterContext,
  PerfSample,
  Socket,
  SocketAddress,
  SocketLookup,
  SocketOps,
  SocketOption,
  Sysctl,
} from './contexts.js'
import type {
  ArgumentsAndResultIn,
  ArgumentsIn,
  IteratorContext,
  Iterators,
  KernelFunctions,
  LsmHooks,
  NameIn,
  OpsMembers,
  ResultIn,
  StructOps,
  TracepointArguments,
  TracepointRecord,
  TracepointRecords,
  Tracepoints,
  WritableArguments,
  WritableTracepoints,
} from './kernel.js'
import type { Ref } from './maps.js'
import type { Filtered, Frame, Incoming, Message, Packet, Readable } from './packets.js'
import type { Memory, UserPointer, u32 } from './types.js'
import { word } from './word.js'

/** The file that user space reads from an iterator. */
export interface IteratorFile {
  /** Writes a line: ``ctx.print(`${task.pid} ${task.comm}`)``. */
  print(text: string): void
  /** Writes the bytes of a value. */
  write(value: Memory): void
}

export interface Program {
  readonly __program: never
}

type AtTracepoint = <N extends NameIn<Tracepoints>>(
  target: N,
  program: (...args: TracepointArguments<N>) => number,
) => Program
type AtWritable = <N extends NameIn<WritableTracepoints>>(
  target: N,
  program: (...args: WritableArguments<N>) => number,
) => Program
type AtRecord = <N extends NameIn<TracepointRecords>>(
  target: N,
  program: (ctx: TracepointRecord<N>) => number,
) => Program
type AtCall<Known> = <N extends NameIn<Known>>(
  target: N,
  program: (...args: ArgumentsIn<Known, N>) => number,
) => Program
type AtReturn<Known> = <N extends NameIn<Known>>(
  target: N,
  program: (...args: ArgumentsAndResultIn<Known, N>) => number,
) => Program
type AtResult<Known> = <N extends NameIn<Known>>(
  target: N,
  program: (result: ResultIn<Known, N>) => number,
) => Program
type AtEntry = <N extends NameIn<KernelFunctions>, R extends number>(
  target: N,
  program: (...args: ArgumentsIn<KernelFunctions, N>) => Returned<R, 0>,
) => Program
type AtExit = <N extends NameIn<KernelFunctions>, R extends number>(
  target: N,
  program: (...args: ArgumentsAndResultIn<KernelFunctions, N>) => Returned<R, 0>,
) => Program
/** Hooks that return a bool instead of an error. */
type TruthHook = 'audit_rule_known' | 'inode_xattr_skipcap' | 'xfrm_state_pol_flow_match'
type AtSecurity = <N extends NameIn<LsmHooks>, R extends number>(
  target: N,
  program: (
    ...args: ArgumentsIn<LsmHooks, N>
  ) => N extends TruthHook ? Returned<R, 0 | 1> : ResultIn<LsmHooks, N> extends void ? R : Refusal<R>,
) => Program
type AtCgroupSecurity = <N extends NameIn<LsmHooks>, R extends number>(
  target: N,
  program: (...args: ArgumentsIn<LsmHooks, N>) => Returned<R, 0 | 1>,
) => Program
type AtElements = <N extends NameIn<Iterators>, R extends number>(
  target: N,
  program: (ctx: IteratorContext<N> & IteratorFile) => Returned<R, 0 | 1>,
) => Program
type Given = number | UserPointer
/** Its parameters are 64-bit numbers, unless they are declared otherwise: `(path: user<char>, flags: u32) => ...`. */
interface Call {
  (target: string, program: (...args: number[]) => number): Program
  <A extends Given[]>(target: string, program: (...args: A) => number): Program
}
interface OptionalCall extends Call {
  /** User space chooses what it is attached to. */
  (program: (...args: number[]) => number): Program
  <A extends Given[]>(program: (...args: A) => number): Program
}
/**
 * What a program may return: a number that is only known when it runs, or one of those that its hook has a meaning for.
 * The compiler checks constants that are returned in other ways.
 */
export type Returned<R, Known> = R extends Known ? R : number extends R ? R : Known
/** 0, or a negative error number. */
export type Refusal<R extends number> = R extends 0
  ? R
  : number extends R
    ? R
    : `${R}` extends `-${string}`
      ? R
      : 0
interface Session {
  <R extends number>(target: string, program: (...args: number[]) => Returned<R, 0 | 1>): Program
  <R extends number, A extends Given[]>(target: string, program: (...args: A) => Returned<R, 0 | 1>): Program
}
interface OptionalSession extends Session {
  /** User space chooses what it is attached to. */
  <R extends number>(program: (...args: number[]) => Returned<R, 0 | 1>): Program
  <R extends number, A extends Passed[]>(program: (...args: A) => Returned<R, 0 | 1>): Program
}
/** Any number. */
type Free<Context> = (program: (context: Context) => number) => Program
type On<Context, Known extends number> = <R extends number>(
  program: (context: Context) => Returned<R, Known>,
) => Program
/** 1 is yes, and 0 is no. */
type Asks<Context> = On<Context, 0 | 1>

/** Runs at a tracepoint, with its arguments as the kernel passes them. (Linux 4.17) */
export const rawTp: AtTracepoint = word('rawTp')
/**
 * Like `rawTp`, at a tracepoint that lets programs change what its first argument points to, such as `bpf_test_finish`:
 * `rawTpWritable('bpf_test_finish', (error) => { error.value = -5; return 0 })`. (Linux 5.2)
 */
export const rawTpWritable: AtWritable = word('rawTpWritable')
/** The same as `rawTp`, but the verifier knows the types of the arguments. (Linux 5.5) */
export const tpBtf: AtTracepoint = word('tpBtf')
/** Runs when a function of the kernel is called. (Linux 5.5, arm64 6.4) */
export const fentry: AtEntry = word('fentry')
/** Runs when a function of the kernel returns. Its result follows the arguments. (Linux 5.5, arm64 6.4) */
export const fexit: AtExit = word('fexit')
/**
 * Runs when a function of the kernel is called, and again when it returns: `kfunc.bpf_session_is_return()` tells which,
 * and `kfunc.bpf_session_cookie()` is a number that the program can keep in between. The result follows the arguments,
 * and is 0 at the call. (Linux 7.0)
 */
export const fsession: AtExit = word('fsession')
/** The same as `fsession`, in a program that may sleep. (Linux 7.0) */
export const fsessionSleepable: AtExit = word('fsessionSleepable')
/**
 * Runs before a function of the kernel that allows it, and may refuse the call by returning a negative errno.
 * (Linux 5.7)
 */
export const fmodRet: AtReturn<KernelFunctions> = word('fmodRet')
/** The same as `fmodRet`, in a program that may sleep. (Linux 5.10) */
export const fmodRetSleepable: AtReturn<KernelFunctions> = word('fmodRetSleepable')
/**
 * The same as `fentry`, in a program that may sleep: it can read memory of the process that is not in RAM. (Linux 5.10)
 */
export const fentrySleepable: AtEntry = word('fentrySleepable')
/** The same as `fexit`, in a program that may sleep. (Linux 5.10) */
export const fexitSleepable: AtExit = word('fexitSleepable')
/**
 * Runs at a tracepoint, with the struct that it records: `tracepoint('sched/sched_switch', (ctx) => ...)`. (Linux 4.7)
 */
export const tracepoint: AtRecord = word('tracepoint')
/** Runs when a function of the kernel is called, with its arguments from the registers. (Linux 4.1) */
export const kprobe: AtCall<KernelFunctions> = word('kprobe')
/** Runs when a function of the kernel returns, with its result. (Linux 4.1) */
export const kretprobe: AtResult<KernelFunctions> = word('kretprobe')
/** The same as `kprobe` for all functions that match: `kprobeMulti('tcp_*', ...)`. (Linux 5.18) */
export const kprobeMulti: OptionalCall = word('kprobeMulti')
/** The same as `kretprobe` for all functions that match. (Linux 5.18) */
export const kretprobeMulti: OptionalCall = word('kretprobeMulti')
/**
 * Runs when one of the functions that match is called, and again when it returns: `kfunc.bpf_session_is_return()` tells
 * which. Returning 1 at the call skips the run at the return. The arguments are available only at the call.
 * (Linux 6.10)
 */
export const kprobeSession: OptionalSession = word('kprobeSession')
/** The same as `kprobeSession` for functions of a program or library: `'/usr/bin/node:uv_*'`. (Linux 6.13) */
export const uprobeSession: OptionalSession = word('uprobeSession')
/** The same as `uprobeSession`, in a program that may sleep. (Linux 6.13) */
export const uprobeSessionSleepable: OptionalSession = word('uprobeSessionSleepable')
/** Runs when a process makes a system call, with its arguments: `ksyscall('openat', ...)`. (Linux 4.17) */
export const ksyscall: Call = word('ksyscall')
/** Runs when a system call returns, with its result. (Linux 4.17) */
export const kretsyscall: Call = word('kretsyscall')
/** Runs when a function of a program or library is called: `uprobe('/usr/bin/node:uv_run', ...)`. (Linux 4.3) */
export const uprobe: OptionalCall = word('uprobe')
/** Runs when a function of a program or library returns, with its result. (Linux 4.3) */
export const uretprobe: OptionalCall = word('uretprobe')
/** The same as `uprobe`, in a program that may sleep. (Linux 6.0) */
export const uprobeSleepable: OptionalCall = word('uprobeSleepable')
/** The same as `uretprobe`, in a program that may sleep. (Linux 6.0) */
export const uretprobeSleepable: OptionalCall = word('uretprobeSleepable')
/** The same as `uprobe` for all functions that match: `'/usr/bin/node:uv_*'`. (Linux 6.6) */
export const uprobeMulti: OptionalCall = word('uprobeMulti')
/** The same as `uretprobe` for all functions that match. (Linux 6.6) */
export const uretprobeMulti: OptionalCall = word('uretprobeMulti')
/** The same as `uprobeMulti`, in a program that may sleep. (Linux 6.6) */
export const uprobeMultiSleepable: OptionalCall = word('uprobeMultiSleepable')
/** The same as `uretprobeMulti`, in a program that may sleep. (Linux 6.6) */
export const uretprobeMultiSleepable: OptionalCall = word('uretprobeMultiSleepable')
/**
 * Runs at a probe built into a program or library: `usdt('/usr/bin/node:node:http__client__request', ...)`. (Linux 4.3)
 */
export const usdt: OptionalCall = word('usdt')
/** The same as `usdt`, in a program that may sleep. (Linux 6.0) */
export const usdtSleepable: OptionalCall = word('usdtSleepable')
/** Runs when a performance counter overflows or a timer ticks. (Linux 4.9) */
export const perfEvent: Free<PerfSample> = word('perfEvent')
/**
 * Runs for each element of a map when user space reads the iterator, with the types of keys and values:
 * `iter<u32, u64>('bpf_map_elem', (ctx) => ...)`. Both key and value are null at the end.
 */
type AtMapElements = <K, V>(
  name: 'bpf_map_elem',
  program: (ctx: { readonly key: Ref<K> | null; readonly value: Ref<V> | null } & IteratorFile) => number,
) => Program

/**
 * Runs for each thread, socket, map and so on when user space reads the iterator: `iter('task', (ctx) => ...)`.
 * (Linux 5.8)
 */
export const iter: AtElements & AtMapElements = word('iter')
/** The same as `iter`, in a program that may sleep. (Linux 6.1) */
export const iterSleepable: AtElements & AtMapElements = word('iterSleepable')
/**
 * Runs at a security hook, and may refuse what is about to happen by returning a negative errno. (Linux 5.7, booted
 * with lsm=...,bpf)
 */
export const lsm: AtSecurity = word('lsm')
/** The same as `lsm`, in a program that may sleep. (Linux 5.10) */
export const lsmSleepable: AtSecurity = word('lsmSleepable')
/** The same as `lsm`, for the processes of a cgroup. (Linux 6.0) */
export const lsmCgroup: AtCgroupSecurity = word('lsmCgroup')

/** Runs on each frame that an interface receives, and returns what to do with it, such as `XDP.PASS`. (Linux 4.8) */
export const xdp: On<Frame, XdpAction> = word('xdp')
/** The same as `xdp`, also for frames that span several pieces of memory. (Linux 5.18) */
export const xdpFrags: On<Frame, XdpAction> = word('xdpFrags')
/** Runs on frames that were redirected by a devmap. (Linux 5.8) */
export const xdpDevmap: On<Frame, XdpAction> = word('xdpDevmap')
/** Runs on frames that were redirected by a cpumap. (Linux 5.9) */
export const xdpCpumap: On<Frame, XdpAction> = word('xdpCpumap')
/** The same as `xdpDevmap`, also for frames that span several pieces of memory. (Linux 5.18) */
export const xdpFragsDevmap: On<Frame, XdpAction> = word('xdpFragsDevmap')
/** The same as `xdpCpumap`, also for frames that span several pieces of memory. (Linux 5.18) */
export const xdpFragsCpumap: On<Frame, XdpAction> = word('xdpFragsCpumap')
/** Runs on packets that an interface receives, and returns what to do with them, such as `TC.PASS`. (Linux 6.6) */
export const tcIngress: On<Packet, TcAction> = word('tcIngress')
/** Runs on packets that leave through an interface. (Linux 6.6) */
export const tcEgress: On<Packet, TcAction> = word('tcEgress')
/** A classifier for older kernels, which `attachTc()` attaches. (Linux 4.1) */
export const tc: On<Packet, TcAction | 1 | 3 | 4 | 5 | 6 | 8> = word('tc')
/** Runs on packets that leave through a netkit interface, on the host's end. (Linux 6.7) */
export const netkitPrimary: On<Packet, TcAction> = word('netkitPrimary')
/** Runs on packets that leave through a netkit interface, on the container's end. (Linux 6.7) */
export const netkitPeer: On<Packet, TcAction> = word('netkitPeer')
/**
 * Runs on packets that come in on a route of lightweight tunnels
 * (`ip route add ... encap bpf in pinned PATH dev eth0`), and returns what to do with them, such as `LWT.OK`. The
 * packet begins with its IP header, and is read-only. (Linux 4.10)
 */
export const lwtIn: On<Packet, 0 | 2 | 128> = word('lwtIn')
/**
 * The same as `lwtIn`, for packets that are about to leave by the route, before it is known to whom: `encap bpf out`.
 * (Linux 4.10)
 */
export const lwtOut: On<Packet, 0 | 2 | 128> = word('lwtOut')
/**
 * The same as `lwtIn`, where packets leave: `encap bpf xmit`. Here packets can be changed and redirected, and headers
 * can be added. (Linux 4.10)
 */
export const lwtXmit: On<Packet, LwtAction> = word('lwtXmit')
/**
 * Carries out the action of a route's segment: `ip -6 route add ... encap seg6local action End.BPF endpoint ...`.
 * (Linux 4.18)
 */
export const lwtSeg6local: On<Packet, 0 | 2 | 7> = word('lwtSeg6local')
/** Runs on each packet that a socket receives, and returns how many bytes of it to keep. (Linux 3.19) */
export const socketFilter: Free<Packet> = word('socketFilter')
/** Chooses which socket of a reuseport group gets a packet. (Linux 4.19) */
export const skReuseport: Asks<Incoming> = word('skReuseport')
/** The same as `skReuseport`, and also chooses which socket gets the connections of one that is closed. (Linux 5.14) */
export const skReuseportMigrate: Asks<Incoming> = word('skReuseportMigrate')
/** Parses the headers of packets in place of the kernel. (Linux 4.20) */
export const flowDissector: On<Packet, 0 | 2 | 129> = word('flowDissector')
/** Returns where a message in a stream ends. (Linux 4.14) */
export const skSkbParser: Free<Packet> = word('skSkbParser')
/** Decides what to do with data that a socket in a sockmap has received, such as `SK.PASS`. (Linux 4.14) */
export const skSkbVerdict: Asks<Packet> = word('skSkbVerdict')
/** The same as `skSkbVerdict` without a parser, also for UDP and Unix sockets. (Linux 5.13) */
export const skSkb: Asks<Packet> = word('skSkb')
/** Decides what to do with data that a socket in a sockmap sends. (Linux 4.17) */
export const skMsg: Asks<Message> = word('skMsg')
/** Chooses the socket of a new connection. (Linux 5.9) */
export const skLookup: Asks<SocketLookup> = word('skLookup')
/** Runs on packets at a netfilter hook, and returns what to do with them, such as `NF.ACCEPT`. (Linux 6.4) */
export const netfilter: Asks<NetfilterContext & Filtered> = word('netfilter')

/** Runs at events of the TCP connections of a cgroup. (Linux 4.13) */
export const sockOps: Asks<SocketOps & Readable> = word('sockOps')
/** Runs on packets that processes of a cgroup receive. Returning 1 lets them pass. (Linux 4.10) */
export const cgroupIngress: Asks<Packet> = word('cgroupIngress')
/** Runs on packets that processes of a cgroup send. Returning 1 lets them pass. (Linux 4.10) */
export const cgroupEgress: On<Packet, 0 | 1 | 2 | 3> = word('cgroupEgress')
/** Runs when a process of a cgroup creates a socket. Returning 1 allows it. (Linux 4.10) */
export const cgroupSockCreate: Asks<Socket> = word('cgroupSockCreate')
/** Runs when a process of a cgroup closes a socket. (Linux 5.9) */
export const cgroupSockRelease: Asks<Socket> = word('cgroupSockRelease')
/** Runs after a socket was bound to an IPv4 address. Returning 1 allows it. (Linux 4.17) */
export const cgroupPostBind4: Asks<Socket> = word('cgroupPostBind4')
/** Runs after a socket was bound to an IPv6 address. Returning 1 allows it. (Linux 4.17) */
export const cgroupPostBind6: Asks<Socket> = word('cgroupPostBind6')
/**
 * Runs when a process of a cgroup binds a socket to an IPv4 address, and may change the address. Returning 1 allows it.
 * (Linux 4.17)
 */
export const cgroupBind4: On<SocketAddress, 0 | 1 | 2 | 3> = word('cgroupBind4')
/** The same as `cgroupBind4`, for IPv6. (Linux 4.17) */
export const cgroupBind6: On<SocketAddress, 0 | 1 | 2 | 3> = word('cgroupBind6')
/**
 * Runs when a process of a cgroup connects to an IPv4 address, and may change the address. Returning 1 allows it.
 * (Linux 4.17)
 */
export const cgroupConnect4: Asks<SocketAddress> = word('cgroupConnect4')
/** The same as `cgroupConnect4`, for IPv6. (Linux 4.17) */
export const cgroupConnect6: Asks<SocketAddress> = word('cgroupConnect6')
/** The same as `cgroupConnect4`, for Unix sockets. (Linux 6.7) */
export const cgroupConnectUnix: Asks<SocketAddress> = word('cgroupConnectUnix')
/**
 * Runs when a process of a cgroup sends to an IPv4 address by UDP, and may change the address. Returning 1 allows it.
 * (Linux 4.18)
 */
export const cgroupSendmsg4: Asks<SocketAddress> = word('cgroupSendmsg4')
/** The same as `cgroupSendmsg4`, for IPv6. (Linux 4.18) */
export const cgroupSendmsg6: Asks<SocketAddress> = word('cgroupSendmsg6')
/** The same as `cgroupSendmsg4`, for Unix sockets. (Linux 6.7) */
export const cgroupSendmsgUnix: Asks<SocketAddress> = word('cgroupSendmsgUnix')
/**
 * Runs when a process of a cgroup has received from an IPv4 address by UDP, and may change the address that the process
 * sees. (Linux 5.2)
 */
export const cgroupRecvmsg4: On<SocketAddress, 1> = word('cgroupRecvmsg4')
/** The same as `cgroupRecvmsg4`, for IPv6. (Linux 5.2) */
export const cgroupRecvmsg6: On<SocketAddress, 1> = word('cgroupRecvmsg6')
/** The same as `cgroupRecvmsg4`, for Unix sockets. (Linux 6.7) */
export const cgroupRecvmsgUnix: On<SocketAddress, 1> = word('cgroupRecvmsgUnix')
/** Runs when a process of a cgroup asks for the address of the other side, and may change the answer. (Linux 5.8) */
export const cgroupGetpeername4: On<SocketAddress, 1> = word('cgroupGetpeername4')
/** The same as `cgroupGetpeername4`, for IPv6. (Linux 5.8) */
export const cgroupGetpeername6: On<SocketAddress, 1> = word('cgroupGetpeername6')
/** The same as `cgroupGetpeername4`, for Unix sockets. (Linux 6.7) */
export const cgroupGetpeernameUnix: On<SocketAddress, 1> = word('cgroupGetpeernameUnix')
/** Runs when a process of a cgroup asks for the address of a socket, and may change the answer. (Linux 5.8) */
export const cgroupGetsockname4: On<SocketAddress, 1> = word('cgroupGetsockname4')
/** The same as `cgroupGetsockname4`, for IPv6. (Linux 5.8) */
export const cgroupGetsockname6: On<SocketAddress, 1> = word('cgroupGetsockname6')
/** The same as `cgroupGetsockname4`, for Unix sockets. (Linux 6.7) */
export const cgroupGetsocknameUnix: On<SocketAddress, 1> = word('cgroupGetsocknameUnix')
/** Runs when a process of a cgroup reads or writes a setting in /proc/sys. Returning 1 allows it. (Linux 5.2) */
export const cgroupSysctl: Asks<Sysctl> = word('cgroupSysctl')
/** Runs when a process of a cgroup opens or creates a device. Returning 1 allows it. (Linux 4.15) */
export const cgroupDevice: Asks<DeviceAccess> = word('cgroupDevice')
/**
 * Runs after a process of a cgroup has read a socket option, and may change the result. Returning 1 allows it.
 * (Linux 5.3)
 */
export const cgroupGetsockopt: Asks<SocketOption & Readable> = word('cgroupGetsockopt')
/** Runs before a process of a cgroup sets a socket option. Returning 1 allows it. (Linux 5.3) */
export const cgroupSetsockopt: Asks<SocketOption & Readable> = word('cgroupSetsockopt')

/**
 * Programs that implement a kernel interface, a struct of functions, such as a congestion control for TCP. Each
 * function is a program: `structOps('tcp_congestion_ops', { name: 'mine', ssthresh: (sk) => sk.snd_cwnd >> 1 })`.
 * (Linux 5.6, with links 6.4)
 */
export const structOps: <N extends NameIn<StructOps>>(struct: N, members: OpsMembers<N>) => Program =
  word('structOps')
/** A number, or the context of the program that calls the function. */
type Passed =
  | number
  | boolean
  | Frame
  | Packet
  | Message
  | Incoming
  | SocketLookup
  | SocketOps
  | SocketAddress
  | SocketOption
  | Sysctl
  | DeviceAccess
  | PerfSample
  | NetfilterContext
interface Replaces {
  <A extends Passed[]>(target: string, program: (...args: A) => number | boolean): Program
  /** User space chooses which function it replaces. */
  <A extends Passed[]>(program: (...args: A) => number | boolean): Program
}

/**
 * A function that the kernel checks separately from its callers, so that `freplace` programs can take its place while
 * programs run: `globalFunction((uid: u32): boolean => true)`. Its arguments are numbers and the context of the
 * program. (Linux 5.6)
 */
export const globalFunction: <A extends Passed[], R extends number | boolean>(
  body: (...args: A) => R,
) => (...args: A) => R = word('globalFunction')
/**
 * Takes the place of a global function of another program, and has the same parameters and result:
 * `freplace('wanted', (uid: u32): boolean => uid !== 0)`. The other program is named with `setAttachTarget` before this
 * one is loaded. It may call the helpers that the other program may call. (Linux 5.6)
 */
export const freplace: Replaces = word('freplace')

/** A function of `structOps` that may sleep: `init: sleepable((sk) => { ... })`. (Linux 6.3) */
export const sleepable: <A extends unknown[], R>(fn: (...args: A) => R) => (...args: A) => R =
  word('sleepable')

/**
 * Runs for each sample of an infrared receiver: `lircMode2((sample) => ...)`. The lower 24 bits are a time in
 * microseconds, and the others say what lasted that long. Keys are reported to the kernel with `bpf.rcKeydown`.
 * (Linux 4.18)
 */
export const lircMode2: (program: (sample: u32) => number) => Program = word('lircMode2')

/**
 * Runs when user space calls `testRun`. The parameter is the struct that `testRun` gets as its `context`, and that it
 * returns as the program leaves it: `syscall((request: Request) => ...)`. (Linux 5.14)
 */
export const syscall: <T extends object>(program: (context: T) => number) => Program = word('syscall')

/** What an XDP program returns. */
export const XDP = { ABORTED: 0, DROP: 1, PASS: 2, TX: 3, REDIRECT: 4 } as const
type XdpAction = (typeof XDP)[keyof typeof XDP]
/** What a TC program returns. */
export const TC = { NEXT: -1, PASS: 0, DROP: 2, REDIRECT: 7 } as const
type TcAction = (typeof TC)[keyof typeof TC]
/** What programs that decide about sockets return. */
export const SK = { DROP: 0, PASS: 1 } as const
/** What a netfilter program returns. */
export const NF = { DROP: 0, ACCEPT: 1 } as const
/** What a program for lightweight tunnels returns. */
export const LWT = { OK: 0, DROP: 2, REDIRECT: 7, REROUTE: 128 } as const
type LwtAction = (typeof LWT)[keyof typeof LWT]
