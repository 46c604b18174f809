/**
 * The contract between lib/ and binding/: every native function, and nothing that is not one.
 *
 * Rules that hold for all of them:
 * - A handle is opaque and of one kind; another kind, or another value, throws TypeError. A handle that was closed throws an
 *   error with `code` ERR_BPF_CLOSED; one whose object is loading on another thread, ERR_BPF_BUSY.
 * - A call that fails in libbpf or the kernel throws a NativeError. Functions that return a Promise reject with it.
 * - A `path` or `name` is UTF-8 without NUL. Sizes are in bytes. Flags are the kernel's numbers, passed on as they are.
 * - File descriptors that are returned stay owned by the native side, unless a function says otherwise.
 * - `Uint8Array`s that are passed in are only read or written during the call, unless a function says otherwise.
 */

/** What native code throws when libbpf or the kernel refuses a call. `lib/errors/explain.ts` turns it into a BpfError. */
export interface NativeError extends Error {
  /** Positive errno: the kernel's (1 to 524) or libbpf's own (4000 and up). */
  errno: number
  /** The libbpf function that failed, e.g. `bpf_object__load`. */
  operation: string
  /** The warnings that libbpf printed during the call. Of a long message, such as a verifier log, the first line and the last 64 KiB. */
  log: string
  /** The same warnings in full; set only where `log` leaves something out. */
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
export type LongLogHandle = Handle<'long log'>
/** Memory of a map, mapped. */
export type MemoryHandle = Handle<'mapped memory'>

/**
 * Called by the event loop when a source has records, or, with `ended`, when the kernel will not write any more. Returns true if it is to be
 * called again for further records, without another call of `sourceWatch`.
 */
export type OnReady = (ended: boolean) => boolean

/** libbpf's print levels: 0 warn, 1 info, 2 debug. */
export type LogLevel = 0 | 1 | 2

export interface TestRunResult {
  /** The program's return value. */
  retval: number
  /** Average nanoseconds a run. */
  duration: number
  /** Packet data as the program left it, as long as the kernel said it is. */
  dataOut: Uint8Array
  /** Context as the program left it. */
  contextOut: Uint8Array
}

export interface ProgramInfo {
  type: number
  id: number
  name: string
  /** 8 bytes, as hexadecimal digits. */
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

/** `struct bpf_prog_info`'s arrays, as the kernel has them; empty where it hides them. */
export interface ProgramDump {
  /** Instructions of 8 bytes, after the verifier's rewriting. */
  xlated: Uint8Array
  /** Machine code, of one function after the other. */
  jited: Uint8Array
  /** For each function where its machine code is, and how long. */
  jitedAddresses: BigUint64Array
  jitedLengths: Uint8Array
  /** struct bpf_func_info and struct bpf_line_info, each so many bytes. */
  functionInfo: Uint8Array
  functionInfoSize: number
  lineInfo: Uint8Array
  lineInfoSize: number
  /** For each line the address of its machine code. */
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
  /** `vmlinux` or a module's; '' for what came with a program. */
  name: string
  /** The kernel's own, or a module's. */
  isKernel: boolean
  /** Bytes. */
  size: number
}

/** `struct bpf_link_info`; which of the optional members are there depends on `type`. */
export interface LinkInfo {
  type: number
  id: number
  programId: number
  /** Tracing, cgroup, netns, TCX, netkit, sockmap. */
  attachType?: number
  /** Raw tracepoint, iterator: its target's. Perf event: the tracepoint, the function, or the file of a uprobe. */
  name?: string
  /** Raw tracepoint, tracing, perf event; 0 on kernels that do not tell. */
  cookie?: bigint
  /** Tracing: the program or BTF object attached to, and the type in it. */
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
  /** Perf event of a kprobe or uprobe: bytes from the function, or the file's beginning. */
  offset?: number
  address?: bigint
  refCtrOffset?: bigint
  /** Kprobe, multi kprobe. */
  missed?: bigint
  /** Perf event that is no probe: `type` and `config` of perf_event_attr. */
  perfType?: number
  perfConfig?: bigint
  /** Multi kprobe and uprobe, from here on; netfilter has flags, too. */
  count?: number
  flags?: number
  addresses?: BigUint64Array
  path?: string
  offsets?: BigUint64Array
  refCtrOffsets?: BigUint64Array
  cookies?: BigUint64Array
}

/** What `bpf_prog_query_opts` says. */
export interface Attached {
  /** Of the cgroup: BPF_F_ALLOW_*. */
  attachFlags: number
  /** In the order in which they run. */
  programIds: number[]
  /** 0 for programs without a link; empty when it was not asked for. */
  linkIds: number[]
  revision: bigint
}

/** What `bpf_xdp_query` says; ids are 0 where there is no program. */
export interface XdpState {
  /** XDP_ATTACHED_* of linux/if_link.h: 0 none, 1 native, 2 generic, 3 offload, 4 several. */
  attachMode: number
  programId: number
  nativeProgramId: number
  genericProgramId: number
  offloadProgramId: number
  /** NETDEV_XDP_ACT_* of linux/netdev.h. */
  features: bigint
  zeroCopySegments: number
}

/** Where a classifier is. */
export interface TcFilter {
  handle: number
  priority: number
  programId: number
}

/** Of `bpf_prog_load`: type, expected attach type, attach_btf_id, flags, instructions; and how to attach. */
export type ProbeLoadArguments = [
  type: number,
  attachType: number,
  attachBtfId: number,
  flags: number,
  instructions: Uint8Array,
  how: number,
]

/** What became of it; 0 or a negative errno. */
export interface ProbedLoad {
  load: number
  attach: number
  log: string
}

export interface Binding {
  // ---- environment: binding/addon.cc

  /** Registers what native code calls: `log` gets libbpf's messages after the call that printed them. Once an environment. */
  initialize(log: (level: LogLevel, message: string) => void): void
  /** The most talkative level that reaches `log`; -1 for none. Errors carry warnings whatever it is. */
  setLogLevel(level: LogLevel | -1): void
  /** The text of a long log: of one beyond 512 MiB, its end. */
  longLogText(log: LongLogHandle): string
  /** `libbpf_version_string`, e.g. `v1.7`. */
  libbpfVersion(): string
  /** `libbpf_num_possible_cpus`. */
  possibleCpus(): number
  /** `libbpf_strerror` of a positive errno. */
  strerror(errno: number): string
  /** `libbpf_bpf_prog_type_str` and its kin; `undefined` for a number that libbpf does not know. */
  programTypeName(type: number): string | undefined
  mapTypeName(type: number): string | undefined
  attachTypeName(type: number): string | undefined
  linkTypeName(type: number): string | undefined
  /** `libbpf_set_memlock_rlim`: bytes; EBUSY once libbpf has set it. */
  setMemlockRlimit(bytes: number): void

  // ---- what is in the kernel: binding/query.cc

  /** `bpf_prog_get_next_id` and its kin: the id after one, 0 for the first; `undefined` after the last. CAP_SYS_ADMIN. */
  programNextId(id: number): number | undefined
  mapNextId(id: number): number | undefined
  linkNextId(id: number): number | undefined
  btfNextId(id: number): number | undefined
  /** `bpf_prog_query_opts` of a descriptor (cgroup, netns, sockmap) or an ifindex. `withLinks`: TCX and netkit only. Flags: BPF_F_QUERY_*. */
  queryAttached(target: number, attachType: number, flags: number, withLinks: boolean): Attached
  xdpQuery(ifindex: number): XdpState

  // ---- what this kernel can do: binding/features.cc. Each on libuv's pool, too.

  /** `libbpf_probe_bpf_prog_type`, `libbpf_probe_bpf_map_type`: 1 for yes; otherwise the negative errno that the kernel refused with, or EOPNOTSUPP of libbpf. */
  probeProgramType(type: number): number
  probeProgramTypeAsync(type: number): Promise<number>
  probeMapType(type: number): number
  probeMapTypeAsync(type: number): Promise<number>
  /** `libbpf_probe_bpf_helper` for the ids from `first` to before `end`: 1, 0, or a negative errno of libbpf. Of use where the program type is there. */
  probeHelpers(type: number, first: number, end: number): number[]
  probeHelpersAsync(type: number, first: number, end: number): Promise<number[]>
  /** Loads instructions of 8 bytes, and attaches them as `how` says (an enum in features.cc) to what cannot be attached to. */
  probeLoad(...args: ProbeLoadArguments): ProbedLoad
  probeLoadAsync(...args: ProbeLoadArguments): Promise<ProbedLoad>
  /** By number, those that libbpf's copy of linux/bpf.h has. */
  helperNames(): string[]

  // ---- object: binding/object.cc

  /** `bpf_object__open_file` for a path, `bpf_object__open_mem` for bytes (which it copies). A `kernelLogSize` of 0 leaves logs to libbpf. */
  objectOpen(
    source: string | Uint8Array,
    name: string | undefined,
    pinRootPath: string | undefined,
    kconfig: string | undefined,
    btfCustomPath: string | undefined,
    bpfTokenPath: string | undefined,
    relaxedMaps: boolean,
    kernelLogLevel: number,
    kernelLogSize: number,
  ): ObjectHandle
  /** Destroys the object's links, then `bpf_object__close`. Twice is fine. While it loads: as soon as that has ended. */
  objectClose(object: ObjectHandle): void
  objectName(object: ObjectHandle): string
  /** In the file's order. A handle keeps the object's memory alive. */
  objectPrograms(object: ObjectHandle): ProgramHandle[]
  objectMaps(object: ObjectHandle): MapHandle[]
  /** After a failure neither prepare nor load may be called again: ERR_BPF_STATE. */
  objectPrepare(object: ObjectHandle): Promise<void>
  objectPrepareSync(object: ObjectHandle): void
  /** On libuv's pool. Nobody else may use the object until it settles. */
  objectLoad(object: ObjectHandle): Promise<void>
  objectLoadSync(object: ObjectHandle): void
  /** A copy of the object's `.BTF`, or `undefined` where it has none. */
  objectBtf(object: ObjectHandle): Uint8Array | undefined
  /** What the kernel wrote into the buffer of `kernelLogSize` bytes. */
  objectKernelLog(object: ObjectHandle): string
  /** Of the BTF that the kernel has of a loaded object; negative where it has none. The object owns it. */
  objectBtfFd(object: ObjectHandle): number
  /** -1 where the object has no token. */
  objectTokenFd(object: ObjectHandle): number
  objectPin(object: ObjectHandle, path: string): void
  objectUnpin(object: ObjectHandle, path: string): void
  /** Without a path: each map that has a pin path of its own. */
  objectPinMaps(object: ObjectHandle, path: string | undefined): void
  objectUnpinMaps(object: ObjectHandle, path: string | undefined): void
  objectPinPrograms(object: ObjectHandle, path: string): void
  objectUnpinPrograms(object: ObjectHandle, path: string): void

  // ---- program: binding/program.cc

  programName(program: ProgramHandle): string
  /** The address of libbpf's `bpf_program`: what stands in the initial value of a struct_ops map for a function that is this program. */
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
  /** Negative before load and for a program that was not loaded. */
  programFd(program: ProgramHandle): number
  programUnload(program: ProgramHandle): void
  programPin(program: ProgramHandle, path: string): void
  programUnpin(program: ProgramHandle, path: string): void
  programInfo(program: ProgramHandle): ProgramInfo
  /** `bpf_program__attach`: by section name. `undefined` where the section only loads (libbpf gives no link). */
  programAttach(program: ProgramHandle): LinkHandle | undefined
  /** `dataOutSize` and `contextOutSize` are the room for what the program leaves. Flags: BPF_F_TEST_*. */
  programTestRun(...args: TestRunArguments): Promise<TestRunResult>
  programTestRunSync(...args: TestRunArguments): TestRunResult

  // ---- programs by descriptor: binding/program_info.cc

  /** `bpf_prog_get_fd_by_id`: a descriptor, which is the caller's. CAP_SYS_ADMIN. */
  programFdById(id: number): number
  programFdInfo(fd: number): ProgramInfo
  programDump(fd: number): ProgramDump
  /** `bpf_prog_stream_read`: at most `size` bytes that the program wrote to a stream (1 stdout, 2 stderr), which are gone then. */
  programStreamRead(fd: number, stream: number, size: number): Uint8Array
  /** `bpf_enable_stats`: a descriptor, which is the caller's; they are on while it's open. */
  enableStats(type: number): number

  // ---- attaching: binding/attach.cc. A cookie is what bpf_get_attach_cookie() returns; 0 for none. A `mode` is a probe_attach_mode.

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
  /** `bpf_program__attach_kprobe_multi_opts`. On libuv's pool; the object stays open until it settles, `undefined` where it was closed meanwhile. */
  programAttachKprobeMulti(...args: KprobeMultiArguments): Promise<LinkHandle | undefined>
  programAttachKprobeMultiSync(...args: KprobeMultiArguments): LinkHandle
  /** `bpf_program__attach_uprobe_opts`. `pid`: -1 all, 0 this process. */
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
  /** `bpf_program__attach_uprobe_multi`, as programAttachKprobeMulti. */
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
  /** `bpf_program__attach_freplace`: 0 and `undefined` for the target that was set before load. */
  programAttachFreplace(program: ProgramHandle, targetFd: number, name: string | undefined): LinkHandle
  /** `perf_event_open` and `bpf_program__attach_perf_event_opts`. `period` is the frequency in Hz with `frequency`. `pid`, `cpu`: -1 all. */
  programAttachPerfEvent(
    program: ProgramHandle,
    type: number,
    config: bigint,
    period: bigint,
    frequency: boolean,
    inherit: boolean,
    pid: number,
    cpu: number,
    cookie: bigint,
  ): LinkHandle
  /**
   * `bpf_link_create` with a descriptor or an ifindex as target: XDP (flags XDP_FLAGS_*), TCX, netkit, cgroup, netns, sockmap. Anchor by one of
   * descriptor and id, with BPF_F_BEFORE, BPF_F_AFTER, BPF_F_LINK in the flags; a revision of 0 is any.
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
  /** `bpf_prog_attach`, undone by `linkClose`: for kernels without links for that. The link has no descriptor; what needs one says EOPNOTSUPP. */
  programProgAttach(program: ProgramHandle, targetFd: number, attachType: number, flags: number): LinkHandle
  /** `bpf_xdp_attach` where no program is, undone by `linkClose`. */
  programAttachXdpByNetlink(program: ProgramHandle, ifindex: number, flags: number): LinkHandle
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
  /** One of the three, the others 0. */
  programAttachIterTask(program: ProgramHandle, tid: number, pid: number, pidFd: number): LinkHandle
  /** One of descriptor and id, the other 0; both 0 for the root. `order`: BPF_CGROUP_ITER_*. */
  programAttachIterCgroup(
    program: ProgramHandle,
    order: number,
    cgroupFd: number,
    cgroupId: bigint,
  ): LinkHandle
  /**
   * Loads a program that returns 0, attaches it to `target` and takes it back: binding/trial.cc. For tracing and LSM programs the target is looked up in
   * the BTF of the kernel or of `module`; raw tracepoints and kprobe.multi have one, too; others are only loaded, as all are without a target.
   */
  trial(
    programType: number,
    attachType: number,
    sleepable: boolean,
    target: string | undefined,
    module: string | undefined,
  ): void
  /** `if_nametoindex`: of the network namespace that the thread is in, which /sys need not show. `undefined` for no such interface. */
  interfaceIndex(name: string): number | undefined

  // ---- traffic control: binding/tc.cc. `point`: 1 ingress, 2 egress, 3 both (to create and destroy), 4 `parent`'s.

  tcHookCreate(ifindex: number, point: number, parent: number): void
  tcHookDestroy(ifindex: number, point: number, parent: number): void
  /** A handle or priority of 0 lets the kernel choose. */
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

  // ---- sockets: binding/socket.cc

  /** SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF and what undoes them. */
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
   * Gives the map the two buffers that the calls below read and write, of exactly `mapKeySize` and `mapValueBytes` bytes. Native
   * code keeps pointers to them, so they must never be detached: only code of this package may see them, no codec of a user.
   */
  mapBind(map: MapHandle, key: Uint8Array, value: Uint8Array): void
  /**
   * Reads the key from its buffer, and writes the value into the other one. False for ENOENT. Success is `undefined`, here and
   * in the next four calls, because returning a boolean would cost time.
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
   * Reads up to `count[0]` entries into `keys` and `values`, from the kernel's cursor on, or with `first` from the beginning. Then
   * `count[0]` is the number of entries that were read; `take` deletes them. False if these were the last entries. ENOSPC if a
   * bucket of the hash table has more entries than that. The cursor has the size of a key, but at least 4 bytes. The map must be
   * bound, here and below.
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
   * `bpf_map_lookup_batch` on libuv's thread pool: reads up to `room` entries, from the cursor on, or without a cursor from the
   * beginning. It fails like {@link mapLookupBatch}, and with a RangeError if there is no memory. The map must be bound, and can
   * be closed meanwhile.
   */
  mapLookupBatchAsync(map: MapHandle, cursor: Uint8Array | undefined, room: number): Promise<MapBatch>

  // ---- map: binding/map.cc

  mapFreeze(map: MapHandle): void
  mapPin(map: MapHandle, path: string | undefined): void
  mapUnpin(map: MapHandle, path: string | undefined): void
  mapInfo(map: MapHandle): MapInfo
  /** `bpf_map_create`. The handle owns the map. If `btfFd` is not negative, the map has BTF types, unless the kernel refuses them. */
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
  ): MapHandle
  /** The handle owns a duplicate of the descriptor. */
  mapFromFd(fd: number): MapHandle
  mapFromId(id: number): MapHandle
  /** `bpf_obj_get`; flags BPF_F_RDONLY, BPF_F_WRONLY. EINVAL if the pin is not a map. */
  mapFromPin(path: string, flags: number): MapHandle
  /** `bpf_map__attach_struct_ops`. */
  mapAttachStructOps(map: MapHandle): LinkHandle
  /** Closes the descriptor of a map without an object. For the maps of an object it does nothing. */
  mapClose(map: MapHandle): void

  // ---- mapped memory: binding/mapped_memory.cc

  /**
   * Maps an array with BPF_F_MMAPABLE, whose values are each padded to 8 bytes, or an arena, whose `maxEntries` are pages. ENOTSUP
   * for other maps. The mapping stays when the map is closed, except for the arena of an object, which libbpf has mapped.
   */
  mapMmap(map: MapHandle, writable: boolean): MemoryHandle
  /** Bytes. */
  memorySize(memory: MemoryHandle): number
  memoryRead(memory: MemoryHandle, offset: number, target: Uint8Array): void
  /** EACCES if it is mapped for reading only. */
  memoryWrite(memory: MemoryHandle, offset: number, source: Uint8Array): void
  memoryClose(memory: MemoryHandle): void

  // ---- processes: binding/pidfd.cc

  /** `pidfd_open`: a descriptor that the caller has to close. */
  pidfdOpen(pid: number, flags: number): number

  // ---- descriptors that others here return as numbers, for the caller to close: binding/descriptor.cc

  /** At most `size` bytes; none at the end. EBADF of descriptors from elsewhere, here and below. */
  descriptorRead(fd: number, size: number): Promise<Uint8Array>
  /** What is not closed when its environment ends is closed then. */
  descriptorClose(fd: number): void

  // ---- link: binding/link.cc

  /** `bpf_link__open`: a pinned link. */
  linkOpen(path: string): LinkHandle
  /** `bpf_link__destroy`: detaches unless pinned or disconnected. Twice is fine. A link is never closed by garbage collection. */
  linkClose(link: LinkHandle): void
  /** The same for many, one after the other on libuv's pool. Their objects stay open until it settles. */
  linkCloseAsync(links: LinkHandle[]): Promise<void>
  /** Of a copy of the descriptor. EINVAL where it is not a link's. */
  linkFromFd(fd: number): LinkHandle
  linkFromId(id: number): LinkHandle
  linkFd(link: LinkHandle): number
  linkDetach(link: LinkHandle): void
  linkDisconnect(link: LinkHandle): void
  linkPin(link: LinkHandle, path: string): void
  linkUnpin(link: LinkHandle): void
  linkPinPath(link: LinkHandle): string | undefined
  linkUpdateProgram(link: LinkHandle, program: ProgramHandle): void
  linkUpdateMap(link: LinkHandle, map: MapHandle): void
  linkInfo(link: LinkHandle): LinkInfo
  /** `bpf_iter_create`: a descriptor to read from, which is the caller's. */
  linkIterCreate(link: LinkHandle): number

  // ---- event sources: binding/event_source.cc

  /** Sets the memory that `sourceConsume` copies records to. It is looked up at each call: if it was detached, that throws, and nothing else happens. */
  sourceSetSlab(source: SourceHandle, slab: Uint8Array): void
  /**
   * Copies at most `limit` records to the slab, each behind a header of 8 bytes (a u32 with its length in the machine's byte order, and 4 unused
   * bytes), padded to a multiple of 8 bytes. Returns how many. A negative result -n says that the next record needs a slab of n bytes.
   */
  sourceConsume(source: SourceHandle, limit: number): number
  /**
   * Has the event loop call `onReady` once, when there are records. Without an interval, that is when the kernel wakes the reader; with one, the
   * event loop looks every `intervalMs` milliseconds, and, if `wakeable`, also when the kernel wakes the reader. The source holds
   * `onReady` weakly and does not keep the process alive.
   */
  sourceWatch(source: SourceHandle, intervalMs: number, wakeable: boolean): void
  /** Undoes `sourceWatch`. */
  sourceStop(source: SourceHandle): void
  /** Can be called more than once, and from inside of `onReady`. */
  sourceClose(source: SourceHandle): void

  // ---- ring buffer: binding/ring_buffer.cc

  /**
   * Opens a reader of a BPF_MAP_TYPE_RINGBUF. It owns a copy of the descriptor, so it outlives the map's object. Throws EBUSY if the map has a
   * reader in this process already, in whatever thread.
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
   * Opens one CPU's buffer of a BPF_MAP_TYPE_PERF_EVENT_ARRAY, with `pages` (a power of two) pages. The kernel wakes the reader every
   * `wakeupEvents` records or, if `watermark` is not 0, every `watermark` bytes. Throws EBUSY if it has a reader in this process already.
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
   * Opens one CPU's buffer in which the kernel overwrites the oldest records (`write_backward`), with `pages` (a power of two) pages. Throws
   * EBUSY like `perfBufferNew`.
   */
  perfRecorderNew(map: MapHandle, cpu: number, pages: number): PerfRecorderHandle
  /** PERF_EVENT_IOC_PAUSE_OUTPUT: until it is undone, programs get ENOSPC. */
  perfRecorderPause(recorder: PerfRecorderHandle, on: boolean): void
  /** The records, oldest first, laid out as in a slab of `sourceConsume`. They are only consistent while the recorder is paused. */
  perfRecorderRecords(recorder: PerfRecorderHandle): Uint8Array
  /** Like `perfBufferTime`. */
  perfRecorderTime(recorder: PerfRecorderHandle): bigint
  /** Can be called more than once. */
  perfRecorderClose(recorder: PerfRecorderHandle): void

  // ---- user ring buffer: binding/user_ring_buffer.cc

  userRingBufferNew(map: MapHandle): UserRingBufferHandle
  /** Reserves, copies, submits. False when the ring is full; E2BIG for a sample that is longer than the ring. */
  userRingBufferSubmit(ring: UserRingBufferHandle, sample: Uint8Array): boolean
  /**
   * The number of a place for `size` bytes, to be committed or discarded; undefined when the ring is full. The program gets nothing that comes
   * after it until then.
   */
  userRingBufferReserve(ring: UserRingBufferHandle, size: number): number | undefined
  /** Copies the bytes, as many as were reserved, and submits them. False when there is no such place: it was committed or discarded. */
  userRingBufferCommit(ring: UserRingBufferHandle, place: number, sample: Uint8Array): boolean
  /** False when there is no such place. */
  userRingBufferDiscard(ring: UserRingBufferHandle, place: number): boolean
  /** Calls back when the program has taken samples and woken the producer, each time; undefined ends that. Keeps the loop alive meanwhile. */
  userRingBufferWatch(ring: UserRingBufferHandle, onRoom: (() => void) | undefined): void
  /** Discards what is reserved. Twice is fine. */
  userRingBufferClose(ring: UserRingBufferHandle): void

  // ---- Names of hooks: binding/hook_names.cc

  /**
   * The kernel functions, LSM hooks and raw tracepoints in the kernel's BTF whose letters differ from those of `wanted` in at most
   * `limit`, and those whose names start with `wanted` and a dot.
   */
  kernelHooksLike(wanted: string, limit: number, onlyTracepoints: boolean): string[]

  // ---- BTF: binding/btf.cc

  /** `btf__load_vmlinux_btf`. */
  btfLoadKernel(): BtfHandle
  /** `btf__load_module_btf`: split BTF, on top of the kernel's. */
  btfLoadModule(name: string, base: BtfHandle): BtfHandle
  /** `btf__load_from_kernel_by_id_split`. CAP_SYS_ADMIN. */
  btfLoadById(id: number, base: BtfHandle | undefined): BtfHandle
  /** `bpf_btf_get_info_by_fd` of an id. */
  btfInfo(id: number): BtfInfo
  /** `btf__new`, `btf__new_split` with a base. */
  btfNew(bytes: Uint8Array, base: BtfHandle | undefined): BtfHandle
  /** `btf__parse`, `btf__parse_split` with a base: raw BTF, or an ELF file's. */
  btfParse(path: string, base: BtfHandle | undefined): BtfHandle
  /** A copy of the raw bytes. */
  btfBytes(btf: BtfHandle): Uint8Array
  /**
   * `btf_dump__dump_type`: C declarations of these types and of the types that they need. Without ids, all types and the
   * prototypes of all kfuncs.
   */
  btfToC(btf: BtfHandle, ids: Uint32Array | undefined): string
  /**
   * `btf_dump__dump_type_data`: a value as C would write it. On one line, or with an `indent` for each level; with `skipNames` without the names of members
   * and types, with `zeroes` also members that are 0. E2BIG where the bytes are too few.
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

  /** `bpf_linker__new_fd`, into memory. */
  linkerNew(): LinkerHandle
  /** `bpf_linker__add_file` for a path, `bpf_linker__add_buf` for bytes (which are copied). After a failure the linker can only be closed: ERR_BPF_STATE. */
  linkerAdd(linker: LinkerHandle, source: string | Uint8Array): Promise<void>
  linkerAddSync(linker: LinkerHandle, source: string | Uint8Array): void
  /** The linked object. Once; then the linker can only be closed. */
  linkerFinalize(linker: LinkerHandle): Promise<Uint8Array>
  linkerFinalizeSync(linker: LinkerHandle): Uint8Array
  /** Twice is fine. While it works: as soon as that has ended. */
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
  /** One of these three; cookies, where there are any, are as many as symbols or addresses. */
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
