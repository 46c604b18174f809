// Attaching programs.
import type { LinkHandle, ProgramHandle } from './handles.js'

/** An attached classifier. */
export interface TcFilter {
  handle: number
  priority: number
  programId: number
}

export type KprobeMultiArguments = [
  program: ProgramHandle,
  /** Exactly one of these three is set. If there are cookies, there is one for each symbol or address. */
  pattern: string | undefined,
  symbols: string[] | undefined,
  addresses: BigUint64Array | undefined,
  cookies: BigUint64Array | undefined,
  retprobe: boolean,
  session: boolean,
  uniqueMatch: boolean,
]

export type UprobeMultiArguments = [
  program: ProgramHandle,
  pid: number,
  binary: string,
  pattern: string | undefined,
  symbols: string[] | undefined,
  offsets: BigUint64Array | undefined,
  refCtrOffsets: BigUint64Array | undefined,
  cookies: BigUint64Array | undefined,
  retprobe: boolean,
  session: boolean,
]

export interface AttachBinding {
  // ---- attaching: binding/attach.cc. bpf_get_attach_cookie() returns the cookie, 0 if there is none. A `mode` is a
  // probe_attach_mode.

  /** `bpf_program__attach_kprobe_opts` */
  programAttachKprobe(
    program: ProgramHandle,
    symbol: string,
    offset: number,
    retprobe: boolean,
    cookie: bigint,
    mode: number,
  ): LinkHandle
  /** `bpf_program__attach_ksyscall` */
  programAttachKsyscall(program: ProgramHandle, name: string, retprobe: boolean, cookie: bigint): LinkHandle
  /**
   * `bpf_program__attach_kprobe_multi_opts`, on libuv's pool. The object stays open until the Promise settles; if it
   * was closed in the meantime, the result is `undefined`.
   */
  programAttachKprobeMulti(...args: KprobeMultiArguments): Promise<LinkHandle | undefined>
  programAttachKprobeMultiSync(...args: KprobeMultiArguments): LinkHandle
  /** `bpf_program__attach_uprobe_opts`. A `pid` of -1 is all processes, 0 this process. */
  programAttachUprobe(
    program: ProgramHandle,
    pid: number,
    binary: string,
    symbol: string | undefined,
    offset: number,
    retprobe: boolean,
    refCtrOffset: number,
    cookie: bigint,
    mode: number,
  ): LinkHandle
  /** `bpf_program__attach_uprobe_multi`, like programAttachKprobeMulti. */
  programAttachUprobeMulti(...args: UprobeMultiArguments): Promise<LinkHandle | undefined>
  programAttachUprobeMultiSync(...args: UprobeMultiArguments): LinkHandle
  /** `bpf_program__attach_usdt` */
  programAttachUsdt(
    program: ProgramHandle,
    pid: number,
    binary: string,
    provider: string,
    name: string,
    cookie: bigint,
  ): LinkHandle
  /** `bpf_program__attach_tracepoint_opts` */
  programAttachTracepoint(program: ProgramHandle, category: string, name: string, cookie: bigint): LinkHandle
  /** `bpf_program__attach_raw_tracepoint_opts` */
  programAttachRawTracepoint(program: ProgramHandle, name: string, cookie: bigint): LinkHandle
  /** `bpf_program__attach_trace_opts` */
  programAttachTrace(program: ProgramHandle, cookie: bigint): LinkHandle
  /** `bpf_program__attach_lsm` */
  programAttachLsm(program: ProgramHandle): LinkHandle
  /** `bpf_program__attach_freplace`. 0 and `undefined` are the target that was set before load. */
  programAttachFreplace(program: ProgramHandle, targetFd: number, name: string | undefined): LinkHandle
  /** `bpf_program__attach_perf_event_opts` with a duplicate of the descriptor. */
  programAttachPerfEvent(program: ProgramHandle, fd: number, cookie: bigint): LinkHandle
  /**
   * `bpf_link_create` with a descriptor or an ifindex as target: XDP (flags XDP_FLAGS_*), TCX, netkit, cgroup, netns,
   * sockmap. The anchor is a descriptor or an id, with BPF_F_BEFORE, BPF_F_AFTER and BPF_F_LINK in the flags. A
   * revision of 0 means any.
   */
  programLinkCreate(
    program: ProgramHandle,
    target: number,
    attachType: number,
    flags: number,
    relativeFd: number,
    relativeId: number,
    expectedRevision: bigint,
  ): LinkHandle
  /**
   * `bpf_prog_attach`, for kernels without such links. `linkClose` detaches the program. The link has no descriptor;
   * functions that need one fail with EOPNOTSUPP.
   */
  programProgAttach(
    program: ProgramHandle,
    targetFd: number,
    attachType: number,
    flags: number,
    replacedFd: number,
  ): LinkHandle
  /** `bpf_prog_detach_opts`. A `programFd` or revision of 0 is for any. */
  programDetach(programFd: number, target: number, attachType: number, expectedRevision: bigint): void
  /**
   * `bpf_xdp_attach`, if no program is attached, or in place of the program `oldFd`; -1 for any. `linkClose` detaches
   * the program.
   */
  programAttachXdpByNetlink(
    program: ProgramHandle,
    ifindex: number,
    flags: number,
    replaces: boolean,
    oldFd: number,
  ): LinkHandle
  /** `bpf_xdp_detach`. With an `oldFd` of -1, it detaches any program. */
  xdpDetach(ifindex: number, flags: number, oldFd: number): void
  /** `bpf_program__attach_netfilter` */
  programAttachNetfilter(
    program: ProgramHandle,
    protocolFamily: number,
    hook: number,
    priority: number,
    flags: number,
  ): LinkHandle
  /** `bpf_program__attach_iter` */
  programAttachIter(program: ProgramHandle): LinkHandle
  programAttachIterMap(program: ProgramHandle, mapFd: number): LinkHandle
  /** One of the three is set, the others are 0. */
  programAttachIterTask(program: ProgramHandle, tid: number, pid: number, pidFd: number): LinkHandle
  /** Either the descriptor or the id is set, the other is 0. Both are 0 for the root. `order`: BPF_CGROUP_ITER_*. */
  programAttachIterCgroup(
    program: ProgramHandle,
    order: number,
    cgroupFd: number,
    cgroupId: bigint,
  ): LinkHandle
  /**
   * Loads a program that returns 0, attaches it to `target`, and detaches it: binding/trial.cc. The targets of
   * tracing and LSM programs are looked up in the BTF of the kernel or of `module`. Raw tracepoints and kprobe.multi
   * have a target, too. Others, and programs without a target, are only loaded.
   */
  trial(
    programType: number,
    attachType: number,
    sleepable: boolean,
    target: string | undefined,
    module: string | undefined,
  ): void
  /**
   * `if_nametoindex`, in the network namespace of the thread, which may differ from that in /sys. `undefined` if the
   * interface does not exist.
   */
  interfaceIndex(name: string): number | undefined

  // ---- perf events: binding/perf_event.cc

  /**
   * `perf_event_open`: a descriptor that the caller has to close. Reading it gives the value and the times. A `pid` or
   * `cpu` of -1 is all. `period` is a frequency in Hz with bit 0. The other `bits`: 1 inherit, 2 disabled, 3 pinned,
   * 4 exclusive; exclude 5 user, 6 kernel, 7 hypervisor, 8 idle, 9 host, 10 guest; 11 `pid` is the descriptor of a cgroup.
   * Breakpoints have their address in `config1` and their length in `config2`.
   */
  perfEventOpen(
    type: number,
    config: bigint,
    config1: bigint,
    config2: bigint,
    breakpointType: number,
    period: bigint,
    bits: number,
    pid: number,
    cpu: number,
  ): number
  /**
   * The value, and for how many nanoseconds it was enabled and really counted. ENODATA if the event is in an error
   * state. Only for descriptors of perfEventOpen, here and below.
   */
  perfEventRead(fd: number): BigUint64Array
  /** 0 enable, 1 disable, 2 reset. */
  perfEventControl(fd: number, request: number): void
  /**
   * `bpf_task_fd_query`: the program of a perf event or a raw tracepoint that a process has a descriptor of. `undefined`
   * for other descriptors. Types: BPF_FD_TYPE_* of linux/bpf.h.
   */
  taskFdQuery(
    pid: number,
    fd: number,
  ): { programId: number; type: number; name: string; offset: bigint; address: bigint } | undefined

  // ---- netlink: binding/netlink.cc

  /**
   * Sends a request for a dump with a header of the given type, such as RTM_GETLINK, and this body. Returns all messages
   * of the answer, with their headers, each padded to 4 bytes.
   */
  netlinkDump(type: number, body: Uint8Array): Uint8Array

  // ---- traffic control: binding/tc.cc. `point`: 1 ingress, 2 egress, 3 both (only to create and destroy), 4 `parent`.

  tcHookCreate(ifindex: number, point: number, parent: number): void
  tcHookDestroy(ifindex: number, point: number, parent: number): void
  /** The same for a qdisc by its name: BPF_TC_QDISC. If the handle is 0, the kernel chooses one. */
  qdiscCreate(ifindex: number, parent: number, handle: number, name: string): void
  qdiscDestroy(ifindex: number, parent: number, handle: number, name: string): void
  /** If the handle or the priority is 0, the kernel chooses one. */
  tcAttach(
    ifindex: number,
    point: number,
    parent: number,
    program: ProgramHandle,
    handle: number,
    priority: number,
    replace: boolean,
  ): TcFilter
  tcDetach(ifindex: number, point: number, parent: number, handle: number, priority: number): void
  tcQuery(ifindex: number, point: number, parent: number, handle: number, priority: number): TcFilter

  // ---- lists of tc filters: binding/tc_filters.cc

  /** The filters of a parent, in the order in which they run. The id is 0 for those that are not BPF programs. */
  tcFilters(ifindex: number, parent: number): TcFilter[]

  // ---- sockets: binding/socket.cc

  /** SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF, SO_DETACH_BPF and SO_DETACH_REUSEPORT_BPF. */
  programAttachSocket(program: ProgramHandle, socketFd: number): void
  programAttachReuseport(program: ProgramHandle, socketFd: number): void
  socketDetach(socketFd: number): void
  reuseportDetach(socketFd: number): void
}
