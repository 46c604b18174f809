// Written by scripts/kernel-words.mjs. Do not edit: the words are in scripts/helper-docs.mjs.
import type { Socket, TcpSocket } from './contexts.js'
import type { Dynptr } from './dynptrs.js'
import type { Struct } from './kernel.js'
import type { AnyMap } from './maps.js'
import type {
  be16,
  char,
  Kernel,
  Memory,
  s32,
  s64,
  TextPointer,
  UserPointer,
  u16,
  u32,
  u64,
} from './types.js'
import { onlyInTheKernel } from './word.js'

/**
 * The helpers: functions of the kernel that programs may call. The program's context is passed without being named, and
 * so is the size of what you name.
 */
export interface Helpers {
  /** Reads memory of the kernel or of the process. Prefer `probeReadKernel` and `probeReadUser`. (Linux 4.1, GPL) */
  probeRead<T>(address: number | TextPointer | UserPointer): T
  /** Nanoseconds since the machine was started, without the time that it slept. (Linux 4.1) */
  ktimeGetNs(): u64
  /** (Linux 4.1, GPL) */
  tracePrintk(fmt: Memory): s64
  /** A random number, which is not fit for cryptography. (Linux 4.1) */
  getPrandomU32(): u32
  /** The number of the CPU that the program runs on. (Linux 4.1) */
  getSmpProcessorId(): u32
  /** Writes into the packet at an offset. (Linux 4.1) */
  skbStoreBytes(offset: u32, from: Memory, flags: u64): s64
  /** Corrects the checksum of an IP header after one of its members has changed. The size of that member, in bytes, is the last argument; with 0, `to` is what `csumDiff` returned. (Linux 4.1) */
  l3CsumReplace(offset: u32, from: u64, to: u64, size: u64): s64
  /** Like `l3CsumReplace`, for the checksum of TCP or UDP. The size is in the lowest four bits of `flags`. (Linux 4.1) */
  l4CsumReplace(offset: u32, from: u64, to: u64, flags: u64): s64
  /** Sends a copy of the packet through another interface. (Linux 4.2) */
  cloneRedirect(ifindex: u32, flags: u64): s64
  /** The process in the upper 32 bits, the thread in the lower. (Linux 4.2) */
  getCurrentPidTgid(): u64
  /** The group in the upper 32 bits, the user in the lower. (Linux 4.2) */
  getCurrentUidGid(): u64
  /** The name of the running thread, to be assigned to a `char<16>`. (Linux 4.2) */
  getCurrentComm(): char<never>
  /** The class of the cgroup that the packet belongs to. (Linux 4.3) */
  getCgroupClassid(): u32
  /** Adds a VLAN tag to the packet. (Linux 4.3) */
  skbVlanPush(vlanProto: be16, vlanTci: u16): s64
  /** Removes the VLAN tag of the packet. (Linux 4.3) */
  skbVlanPop(): s64
  /** (Linux 4.3) */
  skbGetTunnelKey(key: Memory, flags: u64): s64
  /** (Linux 4.3) */
  skbSetTunnelKey(key: Memory, flags: u64): s64
  /** (Linux 4.3, GPL) */
  perfEventRead(map: AnyMap, flags: u64): u64
  /** Sends the packet to another interface; return the result of this call. (Linux 4.4) */
  redirect(ifindex: u32, flags: u64): s64
  /** The realm of the route of the packet. (Linux 4.4) */
  getRouteRealm(): u32
  /** Copies from the packet, also from parts of it that `packet.read` does not reach. (Linux 4.5) */
  skbLoadBytes(offset: u32, to: Memory): s64
  /** The difference that new bytes make to a checksum. The size of each has to be a multiple of 4. (Linux 4.6) */
  csumDiff(from: Memory, to: Memory, seed: u32): s64
  /** (Linux 4.6) */
  skbGetTunnelOpt(opt: Memory): s64
  /** (Linux 4.6) */
  skbSetTunnelOpt(opt: Memory): s64
  /** Turns an IPv4 packet into an IPv6 one, or the reverse. You fill in the new header. (Linux 4.8) */
  skbChangeProto(proto: be16, flags: u64): s64
  /** Sets whom the packet is for: this machine, or others. (Linux 4.8) */
  skbChangeType(type: u32): s64
  /** (Linux 4.8) */
  skbUnderCgroup(map: AnyMap, index: u32): s64
  /** The hash of the packet, which is computed if it has none. (Linux 4.8) */
  getHashRecalc(): u32
  /** The running thread's struct task_struct. (Linux 4.8, GPL) */
  getCurrentTask(): Struct<'task_struct'>
  /** Writes into the memory of the running process. It is meant for experiments. (Linux 4.8) */
  probeWriteUser(dst: number | Kernel | object | TextPointer, src: Memory): s64
  /** Whether the running thread is in a cgroup below the one in a cgroup array: 1, 0 or a negative error. (Linux 4.9) */
  currentTaskUnderCgroup(map: AnyMap, index: u32): s64
  /** Makes the packet longer or shorter at its end. (Linux 4.9) */
  skbChangeTail(len: u32, flags: u64): s64
  /** Makes the first bytes of the packet readable in place. (Linux 4.9) */
  skbPullData(len: u32): s64
  /** (Linux 4.9) */
  csumUpdate(csum: u32): s64
  /** (Linux 4.9) */
  setHashInvalid(): void
  /** The number of the NUMA node that the program runs on. (Linux 4.10) */
  getNumaNodeId(): s64
  /** Makes room in front of the packet. (Linux 4.10) */
  skbChangeHead(len: u32, flags: u64): s64
  /** Moves the start of the packet: a negative number makes room in front. Read the packet again afterwards. (Linux 4.10) */
  xdpAdjustHead(delta: s32): s64
  /** Reads text from memory. Prefer `probeReadKernelStr` and `probeReadUserStr`. (Linux 4.11, GPL) */
  probeReadStr(dst: Memory, unsafePtr: number | Kernel | object | TextPointer): s64
  /** A number that only this socket has while the machine runs. Programs of tpBtf, fentry, lsm and iter name the socket (Linux 5.12). (Linux 4.12) */
  getSocketCookie(sk?: Kernel | object): u64
  /** The user that owns the socket of the packet. (Linux 4.12) */
  getSocketUid(): u32
  /** (Linux 4.13) */
  setHash(hash: u32): s64
  /** Sets an option of the socket. (Linux 4.13) */
  setsockopt(bpfSocket: Kernel | object, level: s32, optname: s32, optval: Memory): s64
  /** Makes room between the headers and the payload, or removes it. (Linux 4.13) */
  skbAdjustRoom(lenDiff: s32, mode: u32, flags: u64): s64
  /** (Linux 4.14) */
  skRedirectMap(map: AnyMap, key: u32, flags: u64): s64
  /** (Linux 4.14) */
  sockMapUpdate(map: AnyMap, key: Memory, flags: u64): s64
  /** Makes room for metadata in front of the packet. (Linux 4.15) */
  xdpAdjustMeta(delta: s32): s64
  /** Reads a hardware counter in a perf event array. (Linux 4.15, GPL) */
  perfEventReadValue(map: AnyMap, flags: u64, buf: Memory): s64
  /** Reads the counter that the program is attached to. (Linux 4.15, GPL) */
  perfProgReadValue(buf: Memory): s64
  /** Reads an option of the socket. (Linux 4.15) */
  getsockopt(bpfSocket: Kernel | object, level: s32, optname: s32, optval: Memory): s64
  /** Makes the probed function return at once, with this result. The kernel allows it for functions that are marked. (Linux 4.16) */
  overrideReturn(rc: u64): s64
  /** Chooses which events of this connection call the program. (Linux 4.16) */
  sockOpsCbFlagsSet(argval: s32): s64
  /** (Linux 4.17) */
  msgRedirectMap(map: AnyMap, key: u32, flags: u64): s64
  /** Says for how many bytes the verdict holds. (Linux 4.17) */
  msgApplyBytes(bytes: u32): s64
  /** Waits until this many bytes are available. (Linux 4.17) */
  msgCorkBytes(bytes: u32): s64
  /** Makes bytes of the message readable in place. (Linux 4.17) */
  msgPullData(start: u32, end: u32, flags: u64): s64
  /** Binds the socket to an address before it connects. (Linux 4.17) */
  bind(addr: Memory): s64
  /** Moves the end of the packet: a negative number makes it shorter. (Linux 4.18) */
  xdpAdjustTail(delta: s32): s64
  /** (Linux 4.18) */
  skbGetXfrmState(index: u32, xfrmState: Memory, flags: u64): s64
  /** Copies the stack, as addresses. Returns how many bytes there were. (Linux 4.18, GPL) */
  getStack(buf: Memory, flags: u64): s64
  /** (Linux 4.18) */
  skbLoadBytesRelative(offset: u32, to: Memory, startHeader: u32): s64
  /** Looks a route up. (Linux 4.18, GPL) */
  fibLookup(params: Memory, flags: u32): s64
  /** (Linux 4.18) */
  sockHashUpdate(map: AnyMap, key: Memory, flags: u64): s64
  /** (Linux 4.18) */
  msgRedirectHash(map: AnyMap, key: Memory, flags: u64): s64
  /** (Linux 4.18) */
  skRedirectHash(map: AnyMap, key: Memory, flags: u64): s64
  /** (Linux 4.18) */
  lwtPushEncap(type: u32, hdr: Memory): s64
  /** (Linux 4.18) */
  lwtSeg6StoreBytes(offset: u32, from: Memory): s64
  /** (Linux 4.18) */
  lwtSeg6AdjustSrh(offset: u32, delta: s32): s64
  /** (Linux 4.18) */
  lwtSeg6Action(action: u32, param: Memory): s64
  /** (Linux 4.18) */
  rcRepeat(): s64
  /** (Linux 4.18) */
  rcKeydown(protocol: u32, scancode: u64, toggle: u32): s64
  /** The number of the cgroup that the packet belongs to. (Linux 4.18) */
  skbCgroupId(): u64
  /** The number of the cgroup of the running thread. (Linux 4.18) */
  getCurrentCgroupId(): u64
  /** (Linux 4.19) */
  skSelectReuseport(map: AnyMap, key: Memory, flags: u64): s64
  /** (Linux 4.19) */
  skbAncestorCgroupId(ancestorLevel: s32): u64
  /** Finds a TCP socket by addresses and ports. Compare it with null, and release it. (Linux 4.20) */
  skLookupTcp(tuple: Memory, netns: u64, flags: u64): Socket | null
  /** Finds a UDP socket by addresses and ports. Compare it with null, and release it. (Linux 4.20) */
  skLookupUdp(tuple: Memory, netns: u64, flags: u64): Socket | null
  /** Releases a socket that a lookup has found. (Linux 4.20) */
  skRelease(sock: Kernel | object): s64
  /** (Linux 4.20) */
  msgPushData(start: u32, len: u32, flags: u64): s64
  /** (Linux 5.0) */
  msgPopData(start: u32, len: u32, flags: u64): s64
  /** (Linux 5.0) */
  rcPointerRel(relX: s32, relY: s32): s64
  /** All members of a socket, or null if it has only the common ones. (Linux 5.1) */
  skFullsock(sk: Kernel | object): Socket | null
  /** The TCP state of a socket, or null if it is not TCP. (Linux 5.1) */
  tcpSock(sk: Kernel | object): TcpSocket | null
  /** Marks the packet as one that met congestion. (Linux 5.1) */
  skbEcnSetCe(): s64
  /** The listening socket that a socket belongs to. (Linux 5.1) */
  getListenerSock(sk: Kernel | object): Socket | null
  /** Finds a TCP socket of any state. Compare it with null, and release it. (Linux 5.2) */
  skcLookupTcp(tuple: Memory, netns: u64, flags: u64): Socket | null
  /** (Linux 5.2, GPL) */
  tcpCheckSyncookie(sk: Kernel | object, iph: Memory, th: Memory): s64
  /** Copies the name of the setting that is read or written. (Linux 5.2) */
  sysctlGetName(buf: Memory, flags: u64): s64
  /** Copies the value of the setting. (Linux 5.2) */
  sysctlGetCurrentValue(buf: Memory): s64
  /** Copies the value that is about to be written. (Linux 5.2) */
  sysctlGetNewValue(buf: Memory): s64
  /** Replaces the value that is about to be written. (Linux 5.2) */
  sysctlSetNewValue(buf: Memory): s64
  /** (Linux 5.2) */
  strtol(buf: Memory, flags: u64, res: Memory): s64
  /** (Linux 5.2) */
  strtoul(buf: Memory, flags: u64, res: Memory): s64
  /** Sends a signal to the running process. Returns 0 or a negative error. (Linux 5.3) */
  sendSignal(sig: u32): s64
  /** (Linux 5.3, GPL) */
  tcpGenSyncookie(sk: Kernel | object, iph: Memory, th: Memory): s64
  /** Writes a record and a part of the packet into a perf event array. (Linux 5.5, GPL) */
  skbOutput(map: AnyMap, flags: u64, data: Memory): s64
  /** A copy of what is in the memory of the running process, or zeros if it cannot be read. (Linux 5.5, GPL) */
  probeReadUser<T>(address: number | TextPointer | UserPointer): T
  /** A copy of what is in the kernel's memory, or zeros if it cannot be read. (Linux 5.5, GPL) */
  probeReadKernel<T>(address: number | TextPointer): T
  /** Text in the memory of the running process, to be assigned to a `char<N>`. (Linux 5.5, GPL) */
  probeReadUserStr(address: number | TextPointer | UserPointer, length?: number): char<never>
  /** Like `probeReadUserStr(address)`, into your own memory of `size` bytes. Returns the length with its zero byte, or a negative error. */
  probeReadUserStr(into: Memory, size: number, address: number | Kernel | object | TextPointer): s64
  /** Text in the kernel's memory, to be assigned to a `char<N>`. (Linux 5.5, GPL) */
  probeReadKernelStr(address: number | TextPointer, length?: number): char<never>
  /** Like `probeReadKernelStr(address)`, into your own memory of `size` bytes. Returns the length with its zero byte, or a negative error. */
  probeReadKernelStr(into: Memory, size: number, address: number | Kernel | object | TextPointer): s64
  /** (Linux 5.6) */
  tcpSendAck(tp: Memory, rcvNxt: u32): s64
  /** Sends a signal to the running thread. (Linux 5.6) */
  sendSignalThread(sig: u32): s64
  /** How many ticks the machine has counted. (Linux 5.6) */
  jiffies64(): u64
  /** (Linux 5.7, GPL) */
  readBranchRecords(buf: Memory, flags: u64): s64
  /** The process and the thread as a PID namespace numbers them. (Linux 5.7) */
  getNsCurrentPidTgid(dev: u64, ino: u64, nsdata: Memory): s64
  /** (Linux 5.7, GPL) */
  xdpOutput(map: AnyMap, flags: u64, data: Memory): s64
  /** The number of the network namespace. (Linux 5.7) */
  getNetnsCookie(): u64
  /** The number of the cgroup at a depth above the running thread. (Linux 5.7) */
  getCurrentAncestorCgroupId(ancestorLevel: s32): u64
  /** Gives the packet or the connection to a socket. (Linux 5.7) */
  skAssign(sk: Kernel | object, flags: u64): s64
  /** Nanoseconds since the machine was started. (Linux 5.8) */
  ktimeGetBootNs(): u64
  /** (Linux 5.8, GPL) */
  seqPrintf(m: Kernel | object, fmt: Memory, data: Memory): s64
  /** Writes bytes into an iterator's file. (Linux 5.8, GPL) */
  seqWrite(m: Kernel | object, data: Memory): s64
  /** (Linux 5.8) */
  skCgroupId(sk: Kernel | object): u64
  /** (Linux 5.8) */
  skAncestorCgroupId(sk: Kernel | object, ancestorLevel: s32): u64
  /** Reads a number about a ring buffer, such as how much of it is in use. (Linux 5.8) */
  ringbufQuery(ringbuf: AnyMap, flags: u64): u64
  /** (Linux 5.8) */
  csumLevel(level: u64): s64
  /** (Linux 5.9) */
  skcToTcp6Sock(sk: Kernel | object): Struct<'tcp6_sock'> | null
  /** The kernel's struct tcp_sock of a socket, or null. (Linux 5.9) */
  skcToTcpSock(sk: Kernel | object): Struct<'tcp_sock'> | null
  /** (Linux 5.9) */
  skcToTcpTimewaitSock(sk: Kernel | object): Struct<'tcp_timewait_sock'> | null
  /** (Linux 5.9) */
  skcToTcpRequestSock(sk: Kernel | object): Struct<'tcp_request_sock'> | null
  /** The kernel's struct udp6_sock of a socket, or null. (Linux 5.9) */
  skcToUdp6Sock(sk: Kernel | object): Struct<'udp6_sock'> | null
  /** Copies the stack of a thread. (Linux 5.9) */
  getTaskStack(task: Kernel | object, buf: Memory, flags: u64): s64
  /** Reads an option of a TCP header. (Linux 5.10) */
  loadHdrOpt(searchbyRes: Memory, flags: u64): s64
  /** Writes an option into a TCP header. (Linux 5.10) */
  storeHdrOpt(from: Memory, flags: u64): s64
  /** Makes room for an option in a TCP header. (Linux 5.10) */
  reserveHdrOpt(len: u32, flags: u64): s64
  /** Copies the path of a file. Only some functions allow it. (Linux 5.10) */
  dPath(path: Kernel | object, buf: Memory): s64
  /** The same as `probeReadUser` for sleepable programs, which also reads memory that is not in RAM. (Linux 5.10) */
  copyFromUser<T>(address: number | TextPointer | UserPointer): T
  /** (Linux 5.10) */
  snprintfBtf(str: Memory, ptr: Memory, flags: u64): s64
  /** (Linux 5.10, GPL) */
  seqPrintfBtf(m: Kernel | object, ptr: Memory, flags: u64): s64
  /** (Linux 5.10) */
  skbCgroupClassid(): u64
  /** Sends the packet to another interface, with the address of the neighbor filled in. (Linux 5.10) */
  redirectNeigh(ifindex: u32, params: Memory, flags: u64): s64
  /** Sends the packet to the other end of a veth pair, in its namespace. (Linux 5.10) */
  redirectPeer(ifindex: u32, flags: u64): s64
  /** The running thread's struct task_struct, which the verifier knows. (Linux 5.11, GPL) */
  getCurrentTaskBtf(): Struct<'task_struct'>
  /** (Linux 5.11) */
  bprmOptsSet(bprm: Kernel | object, flags: u64): s64
  /** Nanoseconds since the machine was started, from the last tick: faster and less exact. (Linux 5.11) */
  ktimeGetCoarseNs(): u64
  /** (Linux 5.11) */
  imaInodeHash(inode: Kernel | object, dst: Memory): s64
  /** (Linux 5.11) */
  sockFromFile(file: Kernel | object): Struct<'socket'> | null
  /** Whether the packet fits the interface. (Linux 5.12, GPL) */
  checkMtu(ifindex: u32, mtuLen: Memory, lenDiff: s32, flags: u64): s64
  /** (Linux 5.13, GPL) */
  snprintf(str: Memory, fmt: Memory, data: Memory): s64
  /** (Linux 5.14) */
  sysBpf(cmd: u32, attr: Memory): s64
  /** (Linux 5.14) */
  btfFindByNameKind(name: Memory, kind: u32, flags: s32): s64
  /** (Linux 5.14) */
  sysClose(fd: u32): s64
  /** (Linux 5.15, GPL) */
  timerInit(timer: Memory, map: AnyMap, flags: u64): s64
  /** (Linux 5.15, GPL) */
  timerStart(timer: Memory, nsecs: u64, flags: u64): s64
  /** (Linux 5.15, GPL) */
  timerCancel(timer: Memory): s64
  /** The address of the function that was called. (Linux 5.15, GPL) */
  getFuncIp(): u64
  /** The number that was given when the program was attached. (Linux 5.15) */
  getAttachCookie(): u64
  /** The address of the registers of a thread. (Linux 5.15, GPL) */
  taskPtRegs(task: Kernel | object): s64
  /** (Linux 5.16, GPL) */
  getBranchSnapshot(entries: Memory, flags: u64): s64
  /** (Linux 5.16, GPL) */
  traceVprintk(fmt: Memory, data: Memory): s64
  /** The kernel's struct unix_sock of a socket, or null. (Linux 5.16) */
  skcToUnixSock(sk: Kernel | object): Struct<'unix_sock'> | null
  /** (Linux 5.16) */
  kallsymsLookupName(name: Memory, flags: s32, res: Memory): s64
  /** (Linux 5.17) */
  strncmp(s1: Memory, s2: Memory): s64
  /** Reads an argument of the traced function. (Linux 5.17) */
  getFuncArg(n: u32, value: Memory): s64
  /** Reads the result of the traced function. (Linux 5.17) */
  getFuncRet(value: Memory): s64
  /** How many arguments the traced function has. (Linux 5.17) */
  getFuncArgCnt(): s64
  /** What the system call is going to return. (Linux 5.18) */
  getRetval(): s32
  /** Changes what the system call is going to return. (Linux 5.18) */
  setRetval(retval: s32): s32
  /** The length of the whole packet. (Linux 5.18) */
  xdpGetBuffLen(): u64
  /** Copies from the packet, also from parts of it that `packet.read` does not reach. (Linux 5.18) */
  xdpLoadBytes(offset: u32, buf: Memory): s64
  /** Writes into the packet at an offset. (Linux 5.18) */
  xdpStoreBytes(offset: u32, buf: Memory): s64
  /** (Linux 5.18, GPL) */
  copyFromUserTask(
    dst: Memory,
    userPtr: number | Kernel | object | TextPointer,
    tsk: Kernel | object,
    flags: u64,
  ): s64
  /** (Linux 5.18) */
  skbSetTstamp(tstamp: u64, tstampType: u32): s64
  /** (Linux 5.18) */
  imaFileHash(file: Kernel | object, dst: Memory): s64
  /** (Linux 5.19) */
  skcToMptcpSock(sk: Kernel | object): Struct<'mptcp_sock'> | null
  /** A dynptr for something in the value of a map, or in a global variable. (Linux 5.19) */
  dynptrFromMem(data: Memory): Dynptr
  /** (Linux 6.0, GPL) */
  tcpRawGenSyncookieIpv4(iph: Memory, th: Memory): s64
  /** (Linux 6.0, GPL) */
  tcpRawGenSyncookieIpv6(iph: Memory, th: Memory): s64
  /** (Linux 6.0, GPL) */
  tcpRawCheckSyncookieIpv4(iph: Memory, th: Memory): s64
  /** (Linux 6.0, GPL) */
  tcpRawCheckSyncookieIpv6(iph: Memory, th: Memory): s64
  /** Nanoseconds of the atomic clock's time. (Linux 6.1) */
  ktimeGetTaiNs(): u64
  /** The checksum of a header in memory, as IP, TCP and UDP have it. Its own checksum field has to be 0. */
  checksum(header: object): u16
  /** The checksum after a number of 16 or 32 bits in the data that it covers has changed. */
  updateChecksum(checksum: number, from: number, to: number): u16
}

/** The helpers. */
export const bpf: Helpers = new Proxy({} as Helpers, {
  get: (_, name) => () => onlyInTheKernel(`bpf.${String(name)}`),
})
