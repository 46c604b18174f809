// The environment, and what is in the kernel.
import type { LongLogHandle, ObjectHandle } from './handles.js'

/** The print levels of libbpf: 0 warn, 1 info, 2 debug. */
export type LogLevel = 0 | 1 | 2

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

export interface KernelBinding {
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
   * `bpf_xdp_attach`: puts the program with the descriptor `fd`, or none if it is -1, in place of the program with the
   * descriptor `expected`, or of none. EEXIST if the interface has another one.
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
   * Creates an object whose only program is the one with this descriptor, which is duplicated. The section, if it is
   * not '', decides the attach type. EOPNOTSUPP if the addon is linked against the system's libbpf.
   */
  programAdopt(fd: number, name: string, section: string, type: number): ObjectHandle

  // ---- Names of hooks: binding/hook_names.cc

  /**
   * The kernel functions, LSM hooks and raw tracepoints in the kernel's BTF whose letters differ from those of `wanted`
   * in at most `limit`, and those whose names start with `wanted` and a dot.
   */
  kernelHooksLike(wanted: string, limit: number, onlyTracepoints: boolean): string[]

  // ---- processes: binding/pidfd.cc

  /** `pidfd_open`: a descriptor that the caller has to close. */
  pidfdOpen(pid: number, flags: number): number

  // ---- names of C++ functions: binding/demangle.cc

  /** `abi::__cxa_demangle`: `undefined` if it is not a mangled name. The result may be much longer than `name`. */
  demangle(name: string): string | undefined

  // ---- descriptors that other functions return as numbers, for the caller to close: binding/descriptor.cc

  /** Reads at most `size` bytes; none at the end. EBADF for other descriptors, here and below. */
  descriptorRead(fd: number, size: number): Promise<Uint8Array>
  /** Descriptors that are still open when their environment ends are closed then. */
  descriptorClose(fd: number): void
}
