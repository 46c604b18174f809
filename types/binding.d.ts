/**
 * The contract between lib/ and binding/: every native function, and nothing else.
 *
 * These rules apply to all of them:
 * - A handle is opaque and has a kind. A handle of another kind, or any other value, throws a TypeError. A closed
 *   handle throws an error with the `code` ERR_BPF_CLOSED, and one whose object is loading on another thread,
 *   ERR_BPF_BUSY.
 * - A call that fails in libbpf or the kernel throws a NativeError. Functions that return a Promise reject with it.
 * - A `path` or `name` is UTF-8 without NUL. Sizes are in bytes. Flags are the kernel's numbers, passed on as they are.
 * - File descriptors that are returned stay owned by the native side, unless a function says otherwise.
 * - `Uint8Array`s that are passed in are only read or written during the call, unless a function says otherwise.
 */

/**
 * What native code throws when libbpf or the kernel refuses a call. `lib/errors/explain.ts` turns it into a BpfError.
 */
export interface NativeError extends Error {
  /** Positive errno: the kernel's (1 to 524) or libbpf's own (4000 and up). */
  errno: number
  /** The libbpf function that failed, e.g. `bpf_object__load`. */
  operation: string
  /**
   * The warnings that libbpf printed during the call. Long messages, such as verifier logs, are cut to the first line
   * and the last 64 KiB.
   */
  log: string
  /** The same warnings in full. Only set if `log` leaves something out. */
  longLog?: LongLogHandle
}

declare const kind: unique symbol
interface Handle<Kind extends string> {
  readonly [kind]: Kind
}
export type ObjectHandle = Handle<'object'>
export type ProgramHandle = Handle<'program'>
export type MapHandle = Handle<'map'>
export type LinkHandle = Handle<'link'>
/** A ring buffer, or one CPU's perf buffer. */
export type SourceHandle = Handle<'event source'>
export type PerfRecorderHandle = Handle<'perf recorder'>
export type UserRingBufferHandle = Handle<'user ring buffer'>
export type BtfHandle = Handle<'btf'>
export type LinkerHandle = Handle<'linker'>
/** The memory of AF_XDP sockets. */
export type UmemHandle = Handle<'umem'>
/** An AF_XDP socket. */
export type XskHandle = Handle<'xdp socket'>
export type LongLogHandle = Handle<'long log'>
/** The mapped memory of a map. */
export type MemoryHandle = Handle<'mapped memory'>

/**
 * Called by the event loop when a source has records, or, with `ended`, when the kernel will not write any more.
 * Returns true to be called again for further records, without another call of `sourceWatch`.
 */
export type OnReady = (ended: boolean) => boolean

/** The print levels of libbpf: 0 warn, 1 info, 2 debug. */
export type LogLevel = 0 | 1 | 2

export interface TestRunResult {
  /** The return value of the program. */
  retval: number
  /** Average nanoseconds per run. */
  duration: number
  /** The packet data after the run, with the length that the kernel returned. */
  dataOut: Uint8Array
  /** The context after the run. */
  contextOut: Uint8Array
}

export interface ProgramInfo {
  type: number
  id: number
  name: string
  /** 8 bytes in hexadecimal. */
  tag: string
  jitedSize: number
  xlatedSize: number
  /** Nanoseconds since boot. */
  loadTime: bigint
  createdByUid: number
  mapIds: number[]
  ifindex: number
  gplCompatible: boolean
  btfId: number
  runTimeNs: bigint
  runCount: bigint
  recursionMisses: bigint
  verifiedInstructions: number
}

/** The arrays of `struct bpf_prog_info`; empty if the kernel hides them. */
export interface ProgramDump {
  /** Instructions of 8 bytes, after the verifier has rewritten them. */
  xlated: Uint8Array
  /** The machine code of all functions, one after the other. */
  jited: Uint8Array
  /** The address and the length of the machine code of each function. */
  jitedAddresses: BigUint64Array
  jitedLengths: Uint8Array
  /** Arrays of struct bpf_func_info and struct bpf_line_info, with the size of an element in bytes. */
  functionInfo: Uint8Array
  functionInfoSize: number
  lineInfo: Uint8Array
  lineInfoSize: number
  /** The address of the machine code of each line. */
  jitedLines: BigUint64Array
}

export interface MapInfo {
  type: number
  id: number
  name: string
  keySize: number
  valueSize: number
  maxEntries: number
  flags: number
  ifindex: number
  btfId: number
  btfKeyTypeId: number
  btfValueTypeId: number
  btfVmlinuxValueTypeId: number
  netnsDev: bigint
  netnsIno: bigint
  extra: bigint
}

/** Entries that were read on libuv's thread pool. */
export interface MapBatch {
  count: number
  /** False when these were the last. */
  more: boolean
  /** Where the next batch continues. */
  cursor: Uint8Array
  /** `count` of them, one after the other. */
  keys: Uint8Array
  values: Uint8Array
}

export interface BtfInfo {
  id: number
  /** `vmlinux` or the name of a module; '' for the BTF of a program. */
  name: string
  /** Whether it belongs to the kernel or to a module. */
  isKernel: boolean
  /** Bytes. */
  size: number
}

/** `struct bpf_link_info`. Which optional members are set depends on `type`. */
export interface LinkInfo {
  type: number
  id: number
  programId: number
  /** Tracing, cgroup, netns, TCX, netkit, sockmap. */
  attachType?: number
  /**
   * Raw tracepoint, iterator: the name of the target. Perf event: the tracepoint, the function, or the file of a
   * uprobe.
   */
  name?: string
  /** Raw tracepoint, tracing, perf event. 0 on kernels that do not report it. */
  cookie?: bigint
  /** Tracing: the target program or BTF object, and the type in it. */
  targetObjectId?: number
  targetBtfId?: number
  /** Cgroup, iterator over cgroups. */
  cgroupId?: bigint
  /** Iterator over cgroups: BPF_CGROUP_ITER_*. */
  order?: number
  /** Iterator over tasks; with pid, multi uprobe. */
  tid?: number
  pid?: number
  netnsInode?: number
  /** XDP, TCX, netkit. */
  ifindex?: number
  /** Netfilter. */
  protocolFamily?: number
  hook?: number
  priority?: number
  /** struct_ops, iterator over a map, sockmap. */
  mapId?: number
  /** Perf event: BPF_PERF_EVENT_*; 0 before Linux 6.6. */
  eventType?: number
  /** Perf event of a kprobe or uprobe: the offset from the function or from the start of the file in bytes. */
  offset?: number
  address?: bigint
  refCtrOffset?: bigint
  /** Kprobe, multi kprobe. */
  missed?: bigint
  /** Perf event that is not a probe: `type` and `config` of perf_event_attr. */
  perfType?: number
  perfConfig?: bigint
  /** From here on: multi kprobe and multi uprobe. Netfilter has flags, too. */
  count?: number
  flags?: number
  addresses?: BigUint64Array
  path?: string
  offsets?: BigUint64Array
  refCtrOffsets?: BigUint64Array
  cookies?: BigUint64Array
}

/** The result of `bpf_prog_query_opts`. */
export interface Attached {
  /** For cgroups: BPF_F_ALLOW_*. */
  attachFlags: number
  /** In the order in which they run. */
  programIds: number[]
  /** 0 for programs without a link. Empty unless links were asked for. */
  linkIds: number[]
  revision: bigint
}

/** How many frames are in each state. */
export interface FrameCounts {
  free: number
  receiving: number
  inBatch: number
  held: number
  sending: number
}

export interface XskStatistics {
  /** `struct xdp_statistics` of linux/if_xdp.h. */
  rxDropped: bigint
  rxInvalid: bigint
  txInvalid: bigint
  rxRingFull: bigint
  fillRingEmpty: bigint
  txRingEmpty: bigint
  /** Frames that the kernel took for sending and then dropped. */
  txDropped: bigint
  /** Packets of batches that were dropped because there was no room in the tx ring. */
  txRingFull: bigint
  /** Frames in the tx ring that the kernel has not taken yet. */
  unsent: number
}

/** The result of `bpf_xdp_query`. Ids are 0 if there is no program. */
export interface XdpState {
  /** XDP_ATTACHED_* from linux/if_link.h: 0 none, 1 native, 2 generic, 3 offload, 4 several. */
  attachMode: number
  programId: number
  nativeProgramId: number
  genericProgramId: number
  offloadProgramId: number
  /** NETDEV_XDP_ACT_* from linux/netdev.h. */
  features: bigint
  zeroCopySegments: number
}

/** An attached classifier. */
export interface TcFilter {
  handle: number
  priority: number
  programId: number
}

/** Arguments of `bpf_prog_load`, and how to attach the program. */
export type ProbeLoadArguments = [
  type: number,
  attachType: number,
  attachBtfId: number,
  flags: number,
  instructions: Uint8Array,
  how: number,
]

/** The results; 0 or a negative errno. */
export interface ProbedLoad {
  load: number
  attach: number
  log: string
}

export interface Binding {
  // ---- environment: binding/addon.cc

  /** Registers `log`, which gets libbpf's messages after the call that printed them. Called once per environment. */
  initialize(log: (level: LogLevel, message: string) => void): void
  /** Sets the most verbose level that reaches `log`; -1 for none. Errors always contain warnings. */
  setLogLevel(level: LogLevel | -1): void
  /** The text of a long log, or its end if the log is longer than 512 MiB. */
  longLogText(log: LongLogHandle): string
  /** `libbpf_version_string`, e.g. `v1.7`. */
  libbpfVersion(): string
  /** `libbpf_num_possible_cpus`. */
  possibleCpus(): number
  /** `libbpf_strerror` of a positive errno. */
  strerror(errno: number): string
  /** `libbpf_bpf_prog_type_str` and similar functions. `undefined` for a number that libbpf does not know. */
  programTypeName(type: number): string | undefined
  mapTypeName(type: number): string | undefined
  attachTypeName(type: number): string | undefined
  linkTypeName(type: number): string | undefined
  /** `libbpf_set_memlock_rlim`, in bytes. EBUSY if libbpf has already set the limit. */
  setMemlockRlimit(bytes: number): void

  // ---- lists of what is in the kernel: binding/query.cc

  /**
   * `bpf_prog_get_next_id` and similar functions: returns the id after `id`; 0 returns the first, and `undefined`
   * means that there are no more. Requires CAP_SYS_ADMIN.
   */
  programNextId(id: number): number | undefined
  mapNextId(id: number): number | undefined
  linkNextId(id: number): number | undefined
  btfNextId(id: number): number | undefined
  /**
   * `bpf_prog_query_opts` for a descriptor (cgroup, netns, sockmap) or an ifindex. `withLinks` is for TCX and netkit
   * only. Flags: BPF_F_QUERY_*.
   */
  queryAttached(target: number, attachType: number, flags: number, withLinks: boolean): Attached
  xdpQuery(ifindex: number): XdpState
  /**
   * `bpf_xdp_attach` of a program's descriptor, or of none with -1, in place of the program with the descriptor
   * `expected`, or of none. EEXIST if the interface has another one.
   */
  xdpReplace(ifindex: number, fd: number, expected: number, flags: number): void
  /** `flock` of a folder until `descriptorClose`; undefined if someone else has the lock. */
  lockFolder(path: string): number | undefined

  // ---- features of this kernel: binding/features.cc. Each function has an async form on libuv's pool.

  /**
   * `libbpf_probe_bpf_prog_type`, `libbpf_probe_bpf_map_type`: 1 for yes, otherwise the negative errno of the kernel,
   * or -EOPNOTSUPP from libbpf.
   */
  probeProgramType(type: number): number
  probeProgramTypeAsync(type: number): Promise<number>
  probeMapType(type: number): number
  probeMapTypeAsync(type: number): Promise<number>
  /**
   * `libbpf_probe_bpf_helper` for the ids from `first` up to but excluding `end`: 1, 0, or a negative errno from
   * libbpf. Only meaningful if the kernel has the program type.
   */
  probeHelpers(type: number, first: number, end: number): number[]
  probeHelpersAsync(type: number, first: number, end: number): Promise<number[]>
  /**
   * Loads instructions of 8 bytes, and attaches them to a target that does not exist; `how` is an enum in features.cc.
   */
  probeLoad(...args: ProbeLoadArguments): ProbedLoad
  probeLoadAsync(...args: ProbeLoadArguments): Promise<ProbedLoad>
  /** The helpers in libbpf's copy of linux/bpf.h, by number. */
  helperNames(): string[]

  // ---- object: binding/object.cc

  /**
   * `bpf_object__open_file` for a path, `bpf_object__open_mem` for bytes, which are copied. The BTF to relocate against
   * is a path or bytes, too. If `kernelLogSize` is 0, libbpf manages logs.
   */
  objectOpen(
    source: string | Uint8Array,
    name: string | undefined,
    pinRootPath: string | undefined,
    kconfig: string | undefined,
    btfCustom: string | Uint8Array | undefined,
    bpfTokenPath: string | undefined,
    relaxedMaps: boolean,
    kernelLogLevel: number,
    kernelLogSize: number,
  ): ObjectHandle
  /**
   * Destroys the object's links, then calls `bpf_object__close`. Can be called more than once. If the object is
   * loading, it is closed after that.
   */
  objectClose(object: ObjectHandle): void
  objectName(object: ObjectHandle): string
  /** In the order of the file. A handle keeps the memory of the object alive. */
  objectPrograms(object: ObjectHandle): ProgramHandle[]
  objectMaps(object: ObjectHandle): MapHandle[]
  /** After a failure, neither prepare nor load can be called again: ERR_BPF_STATE. */
  objectPrepare(object: ObjectHandle): Promise<void>
  objectPrepareSync(object: ObjectHandle): void
  /** Runs on libuv's pool. The object cannot be used until the Promise settles. */
  objectLoad(object: ObjectHandle): Promise<void>
  objectLoadSync(object: ObjectHandle): void
  /** A copy of the object's `.BTF`, or `undefined` if it has none. */
  objectBtf(object: ObjectHandle): Uint8Array | undefined
  /** What the kernel wrote about the BTF into the buffer of `kernelLogSize` bytes. */
  objectKernelLog(object: ObjectHandle): string
  /** The descriptor of the BTF of a loaded object; negative if it has none. The object owns it. */
  objectBtfFd(object: ObjectHandle): number
  /** -1 if the object has no token. */
  objectTokenFd(object: ObjectHandle): number
  objectPin(object: ObjectHandle, path: string): void
  objectUnpin(object: ObjectHandle, path: string): void
  /** Without a path, every map that has a pin path. */
  objectPinMaps(object: ObjectHandle, path: string | undefined): void
  objectUnpinMaps(object: ObjectHandle, path: string | undefined): void
  objectPinPrograms(object: ObjectHandle, path: string): void
  objectUnpinPrograms(object: ObjectHandle, path: string): void

  // ---- what others have loaded: binding/foreign.cc

  /**
   * `bpf_obj_get` of anything that is pinned: a descriptor that the caller has to close. Flags: BPF_F_RDONLY,
   * BPF_F_WRONLY. The path is relative to `folderFd`, unless that is -1.
   */
  pinOpen(path: string, flags: number, folderFd: number): number
  /** `bpf_obj_pin_opts`, with a path relative to `folderFd`. */
  pinAt(fd: number, path: string, folderFd: number): void
  /** `bpf_token_create`: a descriptor that the caller has to close. */
  tokenCreate(folderFd: number): number
  /** `undefined` if it is the descriptor of something else. */
  descriptorKind(fd: number): 'map' | 'prog' | 'link' | undefined
  /**
   * An object whose only program is the one of this descriptor, which is duplicated. With a section, that decides the
   * attach type; it may be ''. EOPNOTSUPP if the addon is linked against the system's libbpf.
   */
  programAdopt(fd: number, name: string, section: string, type: number): ObjectHandle

  // ---- program: binding/program.cc

  programName(program: ProgramHandle): string
  /**
   * The address of libbpf's `bpf_program`, which the initial value of a struct_ops map contains for a function that
   * is this program.
   */
  programPointer(program: ProgramHandle): bigint
  programSectionName(program: ProgramHandle): string
  programType(program: ProgramHandle): number
  programSetType(program: ProgramHandle, type: number): void
  programExpectedAttachType(program: ProgramHandle): number
  programSetExpectedAttachType(program: ProgramHandle, type: number): void
  programFlags(program: ProgramHandle): number
  programSetFlags(program: ProgramHandle, flags: number): void
  programAutoload(program: ProgramHandle): boolean
  programSetAutoload(program: ProgramHandle, on: boolean): void
  programAutoattach(program: ProgramHandle): boolean
  programSetAutoattach(program: ProgramHandle, on: boolean): void
  programLogLevel(program: ProgramHandle): number
  programSetLogLevel(program: ProgramHandle, level: number): void
  programSetIfindex(program: ProgramHandle, ifindex: number): void
  /** `targetFd` 0 for the kernel. */
  programSetAttachTarget(program: ProgramHandle, targetFd: number, name: string): void
  programInsnCount(program: ProgramHandle): number
  /** A copy of the instructions, 8 bytes each. */
  programInsns(program: ProgramHandle): Uint8Array
  /**
   * A whole number of instructions. The object must be prepared and not loaded.
   *
   * @param moves - where each slot of the instructions that there were is among the new ones, as 32-bit numbers
   */
  programSetInsns(program: ProgramHandle, instructions: Uint8Array, moves: Uint8Array): void
  /** '' if there is none. It is cut off at its beginning as that of longLogText. */
  programVerifierLog(program: ProgramHandle): string
  /** Negative before load, and for a program that was not loaded. */
  programFd(program: ProgramHandle): number
  programUnload(program: ProgramHandle): void
  programPin(program: ProgramHandle, path: string): void
  programUnpin(program: ProgramHandle, path: string): void
  /** `bpf_prog_bind_map` */
  programBindMap(program: ProgramHandle, map: MapHandle): void
  /** `bpf_program__assoc_struct_ops` */
  programAssocStructOps(program: ProgramHandle, map: MapHandle): void
  programInfo(program: ProgramHandle): ProgramInfo
  /** `bpf_program__attach`: attaches by section name. `undefined` if libbpf does not attach programs of the section. */
  programAttach(program: ProgramHandle): LinkHandle | undefined
  /** `dataOutSize` and `contextOutSize` are the sizes of the output buffers. Flags: BPF_F_TEST_*. */
  programTestRun(...args: TestRunArguments): Promise<TestRunResult>
  programTestRunSync(...args: TestRunArguments): TestRunResult

  // ---- programs by descriptor: binding/program_info.cc

  /** `bpf_prog_get_fd_by_id`: a descriptor that the caller has to close. Requires CAP_SYS_ADMIN. */
  programFdById(id: number): number
  programFdInfo(fd: number): ProgramInfo
  programDump(fd: number): ProgramDump
  /** `bpf_prog_stream_read`: takes at most `size` bytes out of a stream of the program (1 stdout, 2 stderr). */
  programStreamRead(fd: number, stream: number, size: number): Uint8Array
  /** `bpf_enable_stats`: a descriptor that the caller has to close. Statistics are enabled while it is open. */
  enableStats(type: number): number

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
  /** `bpf_xdp_detach`. With an `oldFd` of -1, whatever program it is. */
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
   * The value, and for how many nanoseconds it was enabled and really counted. ENODATA in the state of an error.
   * Only for descriptors of perfEventOpen, here and below.
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
  /** The same for a qdisc by its name: BPF_TC_QDISC. The kernel chooses a handle of 0. */
  qdiscCreate(ifindex: number, parent: number, handle: number, name: string): void
  qdiscDestroy(ifindex: number, parent: number, handle: number, name: string): void
  /** The kernel chooses a handle or priority of 0. */
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

  // ---- map: binding/map_declaration.cc

  mapName(map: MapHandle): string
  mapType(map: MapHandle): number
  mapSetType(map: MapHandle, type: number): void
  mapKeySize(map: MapHandle): number
  mapSetKeySize(map: MapHandle, size: number): void
  mapValueSize(map: MapHandle): number
  mapSetValueSize(map: MapHandle, size: number): void
  mapMaxEntries(map: MapHandle): number
  mapSetMaxEntries(map: MapHandle, entries: number): void
  mapFlags(map: MapHandle): number
  mapSetFlags(map: MapHandle, flags: number): void
  mapExtra(map: MapHandle): bigint
  mapSetExtra(map: MapHandle, extra: bigint): void
  mapNumaNode(map: MapHandle): number
  mapSetNumaNode(map: MapHandle, node: number): void
  mapIfindex(map: MapHandle): number
  mapSetIfindex(map: MapHandle, ifindex: number): void
  mapAutocreate(map: MapHandle): boolean
  mapSetAutocreate(map: MapHandle, on: boolean): void
  mapAutoattach(map: MapHandle): boolean
  mapSetAutoattach(map: MapHandle, on: boolean): void
  mapPinPath(map: MapHandle): string | undefined
  mapSetPinPath(map: MapHandle, path: string | undefined): void
  mapIsPinned(map: MapHandle): boolean
  /** True for the maps that libbpf creates for sections (.rodata, .data, .bss, .kconfig). */
  mapIsInternal(map: MapHandle): boolean
  mapBtfKeyTypeId(map: MapHandle): number
  mapBtfValueTypeId(map: MapHandle): number
  /** The declaration of the inner maps of a map of maps, until load. `undefined` if there is none. */
  mapInnerMap(map: MapHandle): MapHandle | undefined
  mapSetInnerMapFd(map: MapHandle, fd: number): void
  /** `bpf_map__set_exclusive_program`. EINVAL if the program belongs to another object. */
  mapSetExclusiveProgram(map: MapHandle, program: ProgramHandle): void
  /** The name of the program. */
  mapExclusiveProgram(map: MapHandle): string | undefined
  mapReuseFd(map: MapHandle, fd: number): void
  /** -1 before load. */
  mapFd(map: MapHandle): number
  /** A copy of `bpf_map__initial_value`; after load, of the live memory. `undefined` if the map has no memory. */
  mapInitialValue(map: MapHandle): Uint8Array | undefined
  /** Only before load. The value must have exactly the size of the map's value. */
  mapSetInitialValue(map: MapHandle, value: Uint8Array): void
  /** Copies bytes out of the map's memory. False if it has none; then use a look-up of key 0. */
  mapMemoryRead(map: MapHandle, offset: number, target: Uint8Array): boolean
  /** Copies bytes into the map's memory. False if it has none. EACCES if load made it read-only. */
  mapMemoryWrite(map: MapHandle, offset: number, source: Uint8Array): boolean

  // ---- map: binding/map_elements.cc

  /** The size of a value in a system call. A per-CPU value is rounded up to 8 bytes, once for each possible CPU. */
  mapValueBytes(map: MapHandle): number
  /**
   * Gives the map the two buffers that the calls below read and write, of exactly `mapKeySize` and `mapValueBytes`
   * bytes. Native code keeps pointers to them, so they must never be detached: only code of this package may see
   * them, no codec of a user.
   */
  mapBind(map: MapHandle, key: Uint8Array, value: Uint8Array): void
  /**
   * Reads the key from its buffer, and writes the value into the other one. False for ENOENT. Success is `undefined`,
   * here and in the next four calls, because returning a boolean would cost time.
   */
  mapLookup(map: MapHandle, flags?: number): false | undefined
  /** Reads the key and the value from their buffers. */
  mapUpdate(map: MapHandle, flags?: number): void
  /** Reads the key from its buffer. False for ENOENT. */
  mapDelete(map: MapHandle): false | undefined
  /** Like {@link mapLookup}, and deletes the entry. False for ENOENT. */
  mapLookupAndDelete(map: MapHandle, flags?: number): false | undefined
  /** Replaces the key in its buffer by the next key, or with `first` by the first key. False if there is none. */
  mapNextKey(map: MapHandle, first: boolean): false | undefined
  /**
   * Reads up to `count[0]` entries into `keys` and `values`, from the kernel's cursor on, or with `first` from the
   * beginning. Then `count[0]` is the number of entries that were read; `take` deletes them. False if these were the
   * last entries. ENOSPC if a bucket of the hash table has more entries than that. The cursor has the size of a key,
   * but at least 4 bytes. The map must be bound, here and below.
   */
  mapLookupBatch(
    map: MapHandle,
    cursor: Uint8Array,
    first: boolean,
    keys: Uint8Array,
    values: Uint8Array,
    count: Uint32Array,
    flags: number,
    take: boolean,
  ): boolean
  /** Looks up `count` keys, one by one. `found[i]` is 1 if the key at `i` exists, and 0 for ENOENT. */
  mapLookupMany(map: MapHandle, keys: Uint8Array, values: Uint8Array, found: Uint8Array, count: number): void
  /** Sets `count[0]` entries. Then `count[0]` is the number of entries that were set, also if it throws. */
  mapUpdateBatch(
    map: MapHandle,
    keys: Uint8Array,
    values: Uint8Array,
    count: Uint32Array,
    flags: number,
  ): void
  /** The same for deletion. False if it stopped at a key that does not exist. */
  mapDeleteBatch(map: MapHandle, keys: Uint8Array, count: Uint32Array): boolean
  /**
   * `bpf_map_lookup_batch` on libuv's thread pool: reads up to `room` entries, from the cursor on, or without a
   * cursor from the beginning. It fails like {@link mapLookupBatch}, and with a RangeError if there is no memory. The
   * map must be bound, and can be closed in the meantime.
   */
  mapLookupBatchAsync(map: MapHandle, cursor: Uint8Array | undefined, room: number): Promise<MapBatch>

  // ---- map: binding/map.cc

  mapFreeze(map: MapHandle): void
  mapPin(map: MapHandle, path: string | undefined): void
  mapUnpin(map: MapHandle, path: string | undefined): void
  mapInfo(map: MapHandle): MapInfo
  /**
   * `bpf_map_create`. The handle owns the map. If `btfFd` is not negative, the map has BTF types, unless the kernel
   * refuses them and they are not required. `tokenFd` is -1 without a token.
   */
  mapCreate(
    type: number,
    name: string | undefined,
    keySize: number,
    valueSize: number,
    maxEntries: number,
    flags: number,
    extra: bigint,
    numaNode: number,
    innerMapFd: number,
    ifindex: number,
    btfFd: number,
    btfKeyTypeId: number,
    btfValueTypeId: number,
    tokenFd: number,
    exclusiveHash: Uint8Array | undefined,
    requiresBtf: boolean,
  ): MapHandle
  /** The handle owns a duplicate of the descriptor. */
  mapFromFd(fd: number): MapHandle
  /** `bpf_map_get_fd_by_id_opts`; flags BPF_F_RDONLY, BPF_F_WRONLY. */
  mapFromId(id: number, flags: number): MapHandle
  /** `bpf_obj_get`; flags BPF_F_RDONLY, BPF_F_WRONLY. EINVAL if the pin is not a map. */
  mapFromPin(path: string, flags: number): MapHandle
  /** `bpf_map__attach_struct_ops`. */
  mapAttachStructOps(map: MapHandle): LinkHandle
  /** Closes the descriptor of a map without an object. For the maps of an object it does nothing. */
  mapClose(map: MapHandle): void

  // ---- mapped memory: binding/mapped_memory.cc

  /**
   * Maps an array with BPF_F_MMAPABLE, whose values are each padded to 8 bytes, or an arena, whose `maxEntries` are
   * pages. ENOTSUP for other maps. The mapping stays when the map is closed, except for the arena of an object, which
   * libbpf has mapped.
   */
  mapMmap(map: MapHandle, writable: boolean): MemoryHandle
  /** Bytes. */
  memorySize(memory: MemoryHandle): number
  /** Where it is in the process. */
  memoryAddress(memory: MemoryHandle): bigint
  /** Where in the arena of an object its global variables begin, once it is loaded. */
  mapArenaVariables(map: MapHandle): number
  memoryRead(memory: MemoryHandle, offset: number, target: Uint8Array): void
  /** EACCES if it is mapped for reading only. */
  memoryWrite(memory: MemoryHandle, offset: number, source: Uint8Array): void
  memoryClose(memory: MemoryHandle): void

  // ---- the memory of AF_XDP sockets: binding/xsk_umem.cc

  /** How many bytes of the memory are before the first start of a page. */
  umemPadding(memory: Uint8Array): number
  /**
   * Divides memory into frames of `frameSize` bytes, a power of two from 1024 to 65536. It must be in a
   * SharedArrayBuffer, and is kept alive by the handle. Native code never reads or writes a frame. `flags` are
   * XDP_UMEM_TX_SW_CSUM (2) and XDP_UMEM_TX_METADATA_LEN (4), with which 24 bytes are free in front of each packet that
   * is sent, for `struct xsk_tx_metadata`.
   */
  umemNew(memory: Uint8Array, frameSize: number, headroom: number, flags: number): UmemHandle
  /** Where a packet may begin in a free frame, which is held from now on; undefined if there is none. */
  umemTake(umem: UmemHandle): number | undefined
  /** Frees the frame that the offset is in. False if it was not held. */
  umemRelease(umem: UmemHandle, offset: number): boolean
  /** A frame that was sent with the flag 2 of `xskSend`, and is held from now on; undefined if there is none. */
  umemSent(umem: UmemHandle): number | undefined
  /** How many frames are in each state. */
  umemCounts(umem: UmemHandle): FrameCounts

  // ---- AF_XDP sockets: binding/xsk.cc

  /**
   * Opens a socket and binds it to a queue of an interface. Sizes are numbers of entries, powers of two; `rxSize` or
   * `txSize` is 0 for a socket that does not receive or send. Further sockets of the same memory share it, and have the
   * flags of the first one. `batch` is memory for the descriptions of `n` frames, at least 32, in a SharedArrayBuffer: n
   * u32 offsets, n u32 lengths, n bytes with decisions (0 drop, 1 send, 2 keep), n bytes with flags (1: the same packet
   * continues in the next frame). The event loop calls `onReady`, which is held weakly, see `xskWatch`. The `operation`
   * of an error is the socket option, or `socket` or `bind`.
   */
  xskNew(
    umem: UmemHandle,
    ifindex: number,
    queue: number,
    rxSize: number,
    txSize: number,
    fillSize: number,
    completionSize: number,
    flags: number,
    busyPollUs: number,
    busyPollBudget: number,
    batch: Uint8Array,
    onReady: (what: number, refused?: NativeError) => void,
  ): XskHandle
  xskFd(socket: XskHandle): number
  /**
   * Describes received frames in the batch memory, with the decision to drop them, and returns how many. Fragments of
   * one packet are in one batch. If an earlier batch was not finished, it is finished first.
   */
  xskReceive(socket: XskHandle): number
  /** Carries out the decisions of the batch. The first frame of a packet decides for all. */
  xskFinish(socket: XskHandle): void
  /**
   * Puts a held frame into the tx ring. False if that is full, undefined if the frame is not held. Flags: 1 if there is
   * metadata in front of the packet, 2 if `umemSent` should tell of the frame when it was sent.
   */
  xskSend(socket: XskHandle, offset: number, length: number, flags: number): boolean | undefined
  /** The same for a packet in several frames: u32 numbers in the machine's byte order, 1 to 32 of each. */
  xskSendParts(socket: XskHandle, offsets: Uint8Array, lengths: Uint8Array): boolean | undefined
  /** Makes the kernel send what is in the tx ring, and takes back frames that were sent. */
  xskKick(socket: XskHandle): void
  /** Takes back frames that were sent. */
  xskReap(socket: XskHandle): void
  /**
   * Makes the event loop look for packets as soon as the kernel tells of some, or every `intervalMs` milliseconds if that
   * is not 0, and calls `onReady` with 0. With `delivers`, it receives them like `xskReceive` instead, calls `onReady`
   * with how many there are, and carries out the decisions of the batch when that returns, before any microtask. If the
   * kernel then refuses to send, it calls `onReady` with 0 and the error. Every 250 ms it reads SO_ERROR, and calls
   * `onReady` with a negative errno if the socket has failed, such as -ENETDOWN for an interface that was deleted. Does
   * not keep the process alive.
   */
  xskWatch(socket: XskHandle, intervalMs: number, delivers: boolean): void
  /** Undoes `xskWatch`. */
  xskStop(socket: XskHandle): void
  /** XDP_STATISTICS, and what native code has counted itself. */
  xskStatistics(socket: XskHandle): XskStatistics
  /** XDP_OPTIONS: whether the driver receives into the memory itself. */
  xskZeroCopy(socket: XskHandle): boolean
  /** Can be called more than once, and from inside of `onReady`. Frames that the socket had become free. */
  xskClose(socket: XskHandle): void

  // ---- processes: binding/pidfd.cc

  /** `pidfd_open`: a descriptor that the caller has to close. */
  pidfdOpen(pid: number, flags: number): number

  // ---- names of C++ functions: binding/demangle.cc

  /** `abi::__cxa_demangle`: `undefined` for what is not a mangled name. The result may be much longer than `name`. */
  demangle(name: string): string | undefined

  // ---- descriptors that other functions return as numbers, for the caller to close: binding/descriptor.cc

  /** Reads at most `size` bytes; none at the end. EBADF for other descriptors, here and below. */
  descriptorRead(fd: number, size: number): Promise<Uint8Array>
  /** Descriptors that are still open when their environment ends are closed then. */
  descriptorClose(fd: number): void

  // ---- link: binding/link.cc

  /** `bpf_link__open`: opens a pinned link. */
  linkOpen(path: string): LinkHandle
  /**
   * `bpf_link__destroy`: detaches the program unless the link is pinned or disconnected. Can be called more than
   * once. Garbage collection never closes a link.
   */
  linkClose(link: LinkHandle): void
  /** Closes several links on libuv's pool. Their objects stay open until the Promise settles. */
  linkCloseAsync(links: LinkHandle[]): Promise<void>
  /** Writes a line to a file of tracefs as soon as the program is detached, which removes the link's probe event. */
  linkOwnProbe(link: LinkHandle, file: string, removal: string): void
  /** Uses a duplicate of the descriptor. EINVAL if it is not a link. */
  linkFromFd(fd: number): LinkHandle
  linkFromId(id: number): LinkHandle
  linkFd(link: LinkHandle): number
  linkDetach(link: LinkHandle): void
  linkDisconnect(link: LinkHandle): void
  linkPin(link: LinkHandle, path: string): void
  linkUnpin(link: LinkHandle): void
  linkPinPath(link: LinkHandle): string | undefined
  /** `bpf_link_update` with BPF_F_REPLACE if `expectedFd` is not -1, otherwise `bpf_link__update_program`. */
  linkUpdateProgram(link: LinkHandle, program: ProgramHandle, expectedFd: number): void
  linkUpdateMap(link: LinkHandle, map: MapHandle): void
  linkInfo(link: LinkHandle): LinkInfo
  /** `bpf_iter_create`: a descriptor to read from, which the caller has to close. */
  linkIterCreate(link: LinkHandle): number

  // ---- event sources: binding/event_source.cc

  /**
   * Sets the memory that `sourceConsume` copies records to. It is looked up at each call: if it was detached, that
   * throws, and nothing else happens.
   */
  sourceSetSlab(source: SourceHandle, slab: Uint8Array): void
  /**
   * Copies at most `limit` records to the slab, each behind a header of 8 bytes (a u32 with its length in the machine's
   * byte order, and 4 unused bytes), padded to a multiple of 8 bytes. Returns how many. A negative result -n says that
   * the next record needs a slab of n bytes.
   */
  sourceConsume(source: SourceHandle, limit: number): number
  /**
   * Makes the event loop call `onReady` once, when there are records. Without an interval, that is when the kernel
   * wakes the reader; with one, the event loop looks every `intervalMs` milliseconds, and, if `wakeable`, also when the
   * kernel wakes the reader. The source holds `onReady` weakly and does not keep the process alive.
   */
  sourceWatch(source: SourceHandle, intervalMs: number, wakeable: boolean): void
  /** Undoes `sourceWatch`. */
  sourceStop(source: SourceHandle): void
  /** Can be called more than once, and from inside of `onReady`. */
  sourceClose(source: SourceHandle): void

  // ---- ring buffer: binding/ring_buffer.cc

  /**
   * Opens a reader of a BPF_MAP_TYPE_RINGBUF. It owns a copy of the descriptor, so it outlives the map's object. Throws
   * EBUSY if the map already has a reader in any thread of this process.
   */
  ringBufferNew(map: MapHandle, onReady: OnReady): SourceHandle
  /** Bytes between the consumer's and the producer's position, including headers and padding. */
  ringBufferAvailable(ring: SourceHandle): number
  /** Bytes of the ring. */
  ringBufferSize(ring: SourceHandle): number
  ringBufferConsumerPosition(ring: SourceHandle): bigint
  ringBufferProducerPosition(ring: SourceHandle): bigint

  // ---- perf buffer: binding/perf_buffer.cc

  /**
   * Opens one CPU's buffer of a BPF_MAP_TYPE_PERF_EVENT_ARRAY, with `pages` (a power of two) pages. The kernel wakes
   * the reader every `wakeupEvents` records or, if `watermark` is not 0, every `watermark` bytes. Throws EBUSY if it
   * has a reader in this process already.
   */
  perfBufferNew(
    map: MapHandle,
    cpu: number,
    pages: number,
    wakeupEvents: number,
    watermark: number,
    onReady: OnReady,
  ): SourceHandle
  /** How many records the kernel had no room for, as far as it has said so. */
  perfBufferLost(buffer: SourceHandle): bigint
  /** Bytes that were not consumed, including headers and padding. */
  perfBufferAvailable(buffer: SourceHandle): number
  /** Bytes of the buffer. */
  perfBufferSize(buffer: SourceHandle): number
  /** For how many nanoseconds the kernel had the buffer on its CPU. This stops for good when the CPU goes offline. */
  perfBufferTime(buffer: SourceHandle): bigint

  /**
   * Opens one CPU's buffer in which the kernel overwrites the oldest records (`write_backward`), with `pages` (a power
   * of two) pages. Throws EBUSY like `perfBufferNew`.
   */
  perfRecorderNew(map: MapHandle, cpu: number, pages: number): PerfRecorderHandle
  /** PERF_EVENT_IOC_PAUSE_OUTPUT: until it is undone, programs get ENOSPC. */
  perfRecorderPause(recorder: PerfRecorderHandle, on: boolean): void
  /**
   * The records, oldest first, laid out as in a slab of `sourceConsume`. They are only consistent while the recorder is
   * paused.
   */
  perfRecorderRecords(recorder: PerfRecorderHandle): Uint8Array
  /** Like `perfBufferTime`. */
  perfRecorderTime(recorder: PerfRecorderHandle): bigint
  /** Can be called more than once. */
  perfRecorderClose(recorder: PerfRecorderHandle): void

  // ---- packet socket: binding/packet_socket.cc

  /**
   * Opens a socket that receives the packets of an interface, or of all of them with an `ifindex` of 0, through a ring of
   * `blocks` blocks of `blockSize` bytes, a multiple of a page. A block that is not full is handed over after
   * `blockTimeout` milliseconds. The filter says how many bytes of each packet are kept, and 0 for none. Each record begins
   * with the 32 bytes of the struct Header.
   */
  packetSocketNew(
    ifindex: number,
    blockSize: number,
    blocks: number,
    blockTimeout: number,
    promiscuous: boolean,
    outgoing: boolean,
    filter: ProgramHandle | undefined,
    onReady: OnReady,
  ): SourceHandle
  /** How many packets have passed the filter, and how many of these found no room. (PACKET_STATISTICS) */
  packetSocketStatistics(socket: SourceHandle): BigUint64Array
  /** Bytes of the ring. */
  packetSocketSize(socket: SourceHandle): number

  // ---- user ring buffer: binding/user_ring_buffer.cc

  /** Opens the producer of a BPF_MAP_TYPE_USER_RINGBUF. It owns a copy of the descriptor. */
  userRingBufferNew(map: MapHandle): UserRingBufferHandle
  /**
   * Reserves, copies and submits. Returns false if the ring is full; throws E2BIG if the sample is longer than the
   * ring.
   */
  userRingBufferSubmit(ring: UserRingBufferHandle, sample: Uint8Array): boolean
  /**
   * Returns the number of a place for `size` bytes, which has to be committed or discarded; undefined if the ring is
   * full. The program cannot read past the place until then.
   */
  userRingBufferReserve(ring: UserRingBufferHandle, size: number): number | undefined
  /**
   * Copies the bytes, as many as were reserved, and submits them. Returns false if the place was committed or discarded
   * before.
   */
  userRingBufferCommit(ring: UserRingBufferHandle, place: number, sample: Uint8Array): boolean
  /** Returns false if the place was committed or discarded before. */
  userRingBufferDiscard(ring: UserRingBufferHandle, place: number): boolean
  /**
   * Calls `onRoom` each time the program has read samples and woken the producer; undefined ends that. Until then, the
   * process stays alive.
   */
  userRingBufferWatch(ring: UserRingBufferHandle, onRoom: (() => void) | undefined): void
  /** Discards all reservations. Can be called more than once. */
  userRingBufferClose(ring: UserRingBufferHandle): void

  // ---- Names of hooks: binding/hook_names.cc

  /**
   * The kernel functions, LSM hooks and raw tracepoints in the kernel's BTF whose letters differ from those of `wanted`
   * in at most `limit`, and those whose names start with `wanted` and a dot.
   */
  kernelHooksLike(wanted: string, limit: number, onlyTracepoints: boolean): string[]

  // ---- BTF: binding/btf.cc

  /** `bpf_btf_load`: a descriptor that the caller has to close. `tokenFd` is -1 without a token. */
  btfLoadForMaps(btf: BtfHandle, tokenFd: number): number
  /** `btf__load_vmlinux_btf`. */
  btfLoadKernel(): BtfHandle
  /** `btf__load_module_btf`: split BTF, with the kernel's as its base. */
  btfLoadModule(name: string, base: BtfHandle): BtfHandle
  /** `btf__load_from_kernel_by_id_split`. Requires CAP_SYS_ADMIN. */
  btfLoadById(id: number, base: BtfHandle | undefined): BtfHandle
  /** `bpf_btf_get_info_by_fd` for an id. */
  btfInfo(id: number): BtfInfo
  /** `btf__new`, `btf__new_split` with a base. */
  btfNew(bytes: Uint8Array, base: BtfHandle | undefined): BtfHandle
  /** `btf__parse`, or `btf__parse_split` with a base: raw BTF, or that of an ELF file. */
  btfParse(path: string, base: BtfHandle | undefined): BtfHandle
  /** A copy of the raw bytes. */
  btfBytes(btf: BtfHandle): Uint8Array
  /** A copy of the raw bytes in either byte order. (`btf__set_endianness`) */
  btfBytesIn(btf: BtfHandle, littleEndian: boolean): Uint8Array
  /** `btf__load_into_kernel`: returns the id. Fails with EEXIST if it was loaded before. */
  btfLoad(btf: BtfHandle): number
  /** `btf__fd`: -1 if it is not in the kernel. */
  btfFd(btf: BtfHandle): number
  /** `btf__add_btf` for each, then `btf__dedup`. None of them may have a base. */
  btfMerge(list: BtfHandle[]): BtfHandle
  /**
   * `btf_dump__dump_type`: C declarations of these types and of the types that they need. Without ids, all types and
   * the prototypes of all kfuncs.
   */
  btfToC(btf: BtfHandle, ids: Uint32Array | undefined): string
  /**
   * `btf_dump__dump_type_data`: a value in C syntax, on one line, or on several with an `indent` for each level.
   * `skipNames` leaves out the names of members and types, and `zeroes` includes members that are 0. E2BIG if there
   * are too few bytes.
   */
  btfDumpData(
    btf: BtfHandle,
    typeId: number,
    bytes: Uint8Array,
    indent: string | undefined,
    skipNames: boolean,
    zeroes: boolean,
  ): string
  btfClose(btf: BtfHandle): void

  // ---- linker: binding/linker.cc

  /** `bpf_linker__new_fd`, with a file in memory. */
  linkerNew(): LinkerHandle
  /**
   * `bpf_linker__add_file` for a path, `bpf_linker__add_buf` for bytes, which are copied. After a failure, the linker
   * can only be closed: ERR_BPF_STATE.
   */
  linkerAdd(linker: LinkerHandle, source: string | Uint8Array): Promise<void>
  linkerAddSync(linker: LinkerHandle, source: string | Uint8Array): void
  /** Returns the linked object. After that, the linker can only be closed. */
  linkerFinalize(linker: LinkerHandle): Promise<Uint8Array>
  linkerFinalizeSync(linker: LinkerHandle): Uint8Array
  /** Can be called more than once. If the linker is busy, it is closed after that. */
  linkerClose(linker: LinkerHandle): void
}

export type TestRunArguments = [
  program: ProgramHandle,
  data: Uint8Array | undefined,
  dataOutSize: number,
  context: Uint8Array | undefined,
  contextOutSize: number,
  repeat: number,
  flags: number,
  cpu: number,
  batchSize: number,
]

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
