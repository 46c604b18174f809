import type { ProgramHandle } from '../../types/binding.js'
import { attachCgroup, type CgroupOptions } from '../attach/cgroup.js'
import type { Interface } from '../attach/interface.js'
import { attachIter, type IterLink, type IterOptions } from '../attach/iter.js'
import { type AttachMethod, expectKind, whyNoTarget } from '../attach/kinds.js'
import {
  attachKprobe,
  attachKprobeMulti,
  attachKprobeMultiSync,
  attachKsyscall,
  type KprobeMultiOptions,
  type KprobeOptions,
  type KsyscallOptions,
} from '../attach/kprobe.js'
import { attachNetfilter, type NetfilterOptions } from '../attach/netfilter.js'
import { attachNetns } from '../attach/netns.js'
import { attachPerfEvent, attachPerfEventOnCpus, type PerfEventOptions } from '../attach/perf-event.js'
import { refusalOf } from '../attach/refusal.js'
import { tryAttach } from '../attach/section.js'
import { attachReuseport, attachSocket } from '../attach/socket.js'
import { attachSockmap } from '../attach/sockmap.js'
import { type TcFilter, TcHook, type TcOptions, type TcPoint } from '../attach/tc.js'
import { attachNetkit, attachTcx, type NetkitOptions, type TcxOptions } from '../attach/tcx.js'
import { attachRawTracepoint, attachTracepoint, type CookieOption } from '../attach/tracepoint.js'
import { attachFreplace, attachLsm, attachTracing } from '../attach/tracing.js'
import {
  attachUprobe,
  attachUprobeMulti,
  attachUprobeMultiSync,
  type UprobeMultiOptions,
  type UprobeOptions,
} from '../attach/uprobe.js'
import { attachUsdt, type UsdtOptions } from '../attach/usdt.js'
import { attachXdp, type XdpLink, type XdpOptions } from '../attach/xdp.js'
import { ownBytes } from '../btf/bytes.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'
import { type Attachable, attachablePrograms, type Dispatcher, type Owner } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { capabilitiesFor } from '../machine/capabilities.js'
import { tooOldFor } from '../machine/kernel-version.js'
import type { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { programHandles } from '../native/handles.js'
import {
  type AttachType,
  attachTypeName,
  attachTypeNumber,
  type ProgramType,
  programTypeName,
  programTypeNumber,
} from '../native/type-names.js'
import { dumpProgramFd, type ProgramDump } from './dump.js'
import type { ProgramInfo } from './info.js'
import { type TestRunOptions, type TestRunResult, testRun, testRunSync } from './test-run.js'

/** What `Program` needs of the object that it belongs to. @internal */
export interface ProgramOwner extends Owner {
  /** Loads a dispatcher for {@link Program.replaceable}. */
  dispatch(section: string, prepare: (dispatcher: Program) => void): Dispatcher
}

/** Bytes at a time; the kernel keeps no more than 100 000 of them. */
const streamChunk = 1 << 16

/** A program of a {@link BpfObject}. It lives as long as its object. */
export class Program {
  readonly #handle: ProgramHandle
  readonly #owner: ProgramOwner
  /** The C function's name. (`bpf_program__name`) */
  readonly name: string
  /** What SEC() says. (`bpf_program__section_name`) */
  readonly section: string
  #replaceable = false
  /** As {@link setAttachTarget} was told: libbpf has no way to ask. */
  #attachTarget: readonly [name: string, fd: number] | undefined

  static {
    programHandles.register((program) => (#handle in program ? program.#handle : undefined))
    attachablePrograms.register((program) => (#handle in program ? program.#attachable : undefined))
  }

  /** Use {@link BpfObject.program}. @internal */
  constructor(handle: ProgramHandle, owner: ProgramOwner) {
    this.#handle = handle
    this.#owner = owner
    this.name = native.programName(handle)
    this.section = native.programSectionName(handle)
  }

  /** From the section's name, unless set; to be set before load. (`bpf_program__type`, `bpf_program__set_type`) */
  get type(): ProgramType {
    return programTypeName(this.#do('read the type', () => native.programType(this.#handle)))
  }
  set type(type: ProgramType) {
    const number = programTypeNumber(type)
    this.#do(`set the type to ${type}`, () => native.programSetType(this.#handle, number))
  }

  /** To be set before load. (`bpf_program__expected_attach_type`, `bpf_program__set_expected_attach_type`) */
  get expectedAttachType(): AttachType {
    return attachTypeName(
      this.#do('read the expected attach type', () => native.programExpectedAttachType(this.#handle)),
    )
  }
  set expectedAttachType(type: AttachType) {
    const number = attachTypeNumber(type)
    this.#do(`set the expected attach type to ${type}`, () =>
      native.programSetExpectedAttachType(this.#handle, number),
    )
  }

  /** `BPF_F_*` of linux/bpf.h for loading; to be set before load. (`bpf_program__flags`, `bpf_program__set_flags`) */
  get flags(): number {
    return this.#do('read the flags', () => native.programFlags(this.#handle))
  }
  set flags(flags: number) {
    this.#do('set the flags', () => native.programSetFlags(this.#handle, flags))
  }

  /** Whether the object's load loads it; false for sections that begin with '?'. (`bpf_program__autoload`, `bpf_program__set_autoload`) */
  get autoload(): boolean {
    return this.#do('read autoload', () => native.programAutoload(this.#handle))
  }
  set autoload(on: boolean) {
    this.#do('set autoload', () => native.programSetAutoload(this.#handle, on))
  }

  /** Whether the object's attach attaches it. (`bpf_program__autoattach`, `bpf_program__set_autoattach`) */
  get autoattach(): boolean {
    return this.#do('read autoattach', () => native.programAutoattach(this.#handle))
  }
  set autoattach(on: boolean) {
    this.#do('set autoattach', () => native.programSetAutoattach(this.#handle, on))
  }

  /** What the verifier is asked to log: 1 branches, 2 instructions, 4 statistics. (`bpf_program__log_level`, `bpf_program__set_log_level`) */
  get logLevel(): number {
    return this.#do('read the log level', () => native.programLogLevel(this.#handle))
  }
  set logLevel(level: number) {
    this.#do('set the log level', () => native.programSetLogLevel(this.#handle, level))
  }

  /** The network device for offload; to be set before load. (`bpf_program__set_ifindex`) */
  setIfindex(ifindex: number): void {
    this.#do('set the ifindex', () => native.programSetIfindex(this.#handle, ifindex))
  }

  /**
   * The function or hook that an fentry, fexit, fmod_ret, LSM, iterator or freplace program goes to, where SEC() does not say
   * it; to be set before load. (`bpf_program__set_attach_target`, Linux 5.5)
   *
   * @param names - the function's name, or several of which the first that exists is taken
   * @param targetFd - the descriptor of the program it is in; of the kernel without
   * @returns the name that was taken
   * @throws BpfError ESRCH that names the nearest, where there is none of them
   */
  setAttachTarget(names: string | readonly string[], targetFd = 0): string {
    const candidates = typeof names === 'string' ? [names] : names
    if (!Array.isArray(candidates)) throw new TypeError('names is neither a string nor an array of strings')
    if (candidates.length === 0) throw new TypeError('names is an empty array')
    let failure: unknown
    for (const name of candidates) {
      const set = (): void => native.programSetAttachTarget(this.#handle, targetFd, name)
      try {
        this.#do(`set the attach target to ${name}`, set, name)
        this.#attachTarget = [name, targetFd]
        return name
      } catch (error) {
        const isAbsent = error instanceof BpfError && (error.code === 'ESRCH' || error.code === 'ENOENT')
        if (!isAbsent) throw error
        failure ??= error
      }
    }
    throw failure
  }

  /**
   * Why this kernel would not have a program of this kind on the hook that SEC() or {@link setAttachTarget} names; `undefined` where it would.
   * Also before load. Tracing, LSM, raw tracepoint and kprobe.multi programs are tried, by one that does nothing on the same hook; of
   * kprobes and tracepoints it's looked whether they exist; of others whether the kernel knows the type (of freplace and struct_ops nothing). The program's own instructions are not
   * tried. Functions of modules are found for fentry and its kin, too, with CAP_SYS_ADMIN, which their types take (Linux 5.11). See {@link BpfObject.choose}.
   */
  refusal(): BpfError | undefined {
    return refusalOf({
      name: this.name,
      section: this.section,
      type: this.type,
      attachType: native.programExpectedAttachType(this.#handle),
      target: this.#attachTarget?.[1] === 0 ? this.#attachTarget[0] : undefined,
      subject: this.#subject,
    })
  }

  /**
   * Whether it is attached through a dispatcher: a program in the hook that only jumps to this one (`bpf_tail_call`), and costs a few
   * nanoseconds a run. {@link BpfObject.replace} exchanges what it jumps to at once, where the hook itself can only be given up and taken anew:
   * kprobes, uprobes, tracepoints, perf events, fentry. To be set before it is attached; false by default. The dispatcher lives as long as the process
   * and the link: not in a pin. Not for sleepable programs and USDT. (Linux 4.2; for fentry and fexit 5.6)
   */
  get replaceable(): boolean {
    return this.#replaceable
  }
  set replaceable(on: boolean) {
    this.#replaceable = on
  }

  /** Instructions, of which some are there twice as long. After load, those of its subprograms, too. (`bpf_program__insn_cnt`) */
  get instructionCount(): number {
    return this.#do('count the instructions', () => native.programInsnCount(this.#handle))
  }

  /** A copy of the instructions, 8 bytes each. (`bpf_program__insns`) */
  get instructions(): Uint8Array {
    return ownBytes(this.#do('read the instructions', () => native.programInsns(this.#handle)))
  }

  /** Whether it is in the kernel. */
  get loaded(): boolean {
    return this.#do('look whether it is loaded', () => native.programFd(this.#handle)) >= 0
  }

  /** The file descriptor, which the object owns. (`bpf_program__fd`) @throws BpfError ERR_BPF_STATE before load */
  get fd(): number {
    const fd = this.#do('read the fd', () => native.programFd(this.#handle))
    if (fd >= 0) return fd
    throw new BpfError(
      `program '${this.name}' is not in the kernel: load the object first, with autoload on`,
      {
        ...this.#subject,
        code: 'ERR_BPF_STATE',
      },
    )
  }

  /** The kernel's number for it, after load. (Linux 4.13) */
  get id(): number {
    return this.info().id
  }

  /** What the kernel says of it, after load. (`bpf_prog_get_info_by_fd`, Linux 4.13) */
  info(): ProgramInfo {
    this.fd
    const { type, ...rest } = this.#do('read the info', () => native.programInfo(this.#handle))
    return { ...rest, type: programTypeName(type) }
  }

  /**
   * Its instructions and machine code as they are in the kernel, with C lines where that lets this process read BTF by id
   * (CAP_SYS_ADMIN). (`bpf_prog_get_info_by_fd`, Linux 4.13) {@link dumpProgram} does it for a program that somebody else loaded.
   */
  dump(): ProgramDump {
    const { fd } = this
    const info = this.info()
    return this.#do('read the instructions', () => dumpProgramFd(info, fd))
  }

  /**
   * What the program, and the kernel about it, wrote into one of its streams since the last time: by `bpf_stream_printk`, or what an arena fault says.
   * (`bpf_prog_stream_read`, Linux 6.17)
   *
   * @param stream - 'stderr' is the kernel's
   * @returns text, '' for nothing new
   */
  readStream(stream: 'stdout' | 'stderr'): string {
    const number = { stdout: 1, stderr: 2 }[stream]
    if (number === undefined)
      throw new TypeError(`stream '${stream}' does not exist; there are stdout, stderr`)
    const { fd } = this
    const since = tooOldFor('6.17')
    const subject = { ...this.#subject, what: `program '${this.name}': read ${stream}`, reason: () => since }
    const chunks: Uint8Array[] = []
    for (;;) {
      const chunk = attempt(subject, () => native.programStreamRead(fd, number, streamChunk))
      if (chunk.length === 0) return Buffer.concat(chunks).toString()
      chunks.push(chunk)
    }
  }

  /**
   * Attaches it to what SEC() names. (`bpf_program__attach`)
   *
   * @throws BpfError ENOTSUP where the section's name doesn't say to what: use the method for its hook
   */
  attach(): Link {
    const link = this.tryAttach()
    if (link !== undefined) return link
    throw new BpfError(`attach program '${this.name}': ${whyNoTarget(this)}`, {
      ...this.#subject,
      code: 'ENOTSUP',
      errno: 95,
      operation: 'bpf_program__attach',
    })
  }

  /** Like {@link attach}, but `undefined` where the section's name doesn't say to what. */
  tryAttach(): Link | undefined {
    return tryAttach(this.#attachable, this.section)
  }

  // ---- Attaching to what SEC() need not name, or with options

  /**
   * Runs when a kernel function is called, or returns. (`bpf_program__attach_kprobe_opts`, Linux 4.1)
   *
   * @param symbol - the function's name, or several of which the first that can be probed is taken: {@link Link.target} tells which
   */
  attachKprobe(symbol: string | readonly string[], options: KprobeOptions = {}): Link {
    return attachKprobe(this.#attachableBy('attachKprobe'), symbol, options)
  }

  /**
   * Runs when a system call is made, or returns, whatever its function is called on this machine. The program reads its arguments
   * by BPF_KSYSCALL. (`bpf_program__attach_ksyscall`, Linux 4.1)
   *
   * @param name - such as 'unlinkat'
   */
  attachKsyscall(name: string, options: KsyscallOptions = {}): Link {
    return attachKsyscall(this.#attachableBy('attachKsyscall'), name, options)
  }

  /** Runs when any of many kernel functions is called; SEC("kprobe.multi"). On libuv's pool. (`bpf_program__attach_kprobe_multi_opts`, Linux 5.18) */
  async attachKprobeMulti(options: KprobeMultiOptions): Promise<Link> {
    return attachKprobeMulti(this.#attachableBy('attachKprobeMulti'), options)
  }

  /** Like {@link attachKprobeMulti}, and waits. */
  attachKprobeMultiSync(options: KprobeMultiOptions): Link {
    return attachKprobeMultiSync(this.#attachableBy('attachKprobeMulti'), options)
  }

  /**
   * Runs when a function of a program or library is called, or returns. (`bpf_program__attach_uprobe_opts`, Linux 4.3)
   *
   * @param binary - a path, or a name: of a library as in `libc.so.6`, of a program on the PATH. With `pid`, a name is looked up in what
   * that process has mapped, in its own mount namespace. `archive!/file` is a file in a zip archive.
   */
  attachUprobe(binary: string, options: UprobeOptions): Link {
    return attachUprobe(this.#attachableBy('attachUprobe'), binary, options)
  }

  /**
   * Runs when any of many functions of a program or library is called; SEC("uprobe.multi"). On libuv's pool.
   * (`bpf_program__attach_uprobe_multi`, Linux 6.6)
   *
   * @param binary - as for {@link attachUprobe}
   */
  async attachUprobeMulti(binary: string, options: UprobeMultiOptions): Promise<Link> {
    return attachUprobeMulti(this.#attachableBy('attachUprobeMulti'), binary, options)
  }

  /** Like {@link attachUprobeMulti}, and waits. */
  attachUprobeMultiSync(binary: string, options: UprobeMultiOptions): Link {
    return attachUprobeMultiSync(this.#attachableBy('attachUprobeMulti'), binary, options)
  }

  /**
   * Runs at a static probe (USDT) of a program or library; the object includes usdt.bpf.h. (`bpf_program__attach_usdt`, Linux 4.3;
   * before 5.15 libraries and position-independent programs in one process only, that of `pid`)
   *
   * @param binary - as for {@link attachUprobe}
   * @param provider - the first half of the probe's name, such as 'python'
   * @param name - the second half
   */
  attachUsdt(binary: string, provider: string, name: string, options: UsdtOptions = {}): Link {
    return attachUsdt(this.#attachableBy('attachUsdt'), this.section, binary, provider, name, options)
  }

  /** Runs at a tracepoint, such as 'sched', 'sched_switch'. (`bpf_program__attach_tracepoint_opts`, Linux 4.7; cookies 5.15) */
  attachTracepoint(category: string, name: string, options: CookieOption = {}): Link {
    return attachTracepoint(this.#attachableBy('attachTracepoint'), category, name, options)
  }

  /** Runs at a tracepoint, with its arguments as they are. (`bpf_program__attach_raw_tracepoint_opts`, Linux 4.17; cookies 6.10) */
  attachRawTracepoint(name: string, options: CookieOption = {}): Link {
    return attachRawTracepoint(this.#attachableBy('attachRawTracepoint'), name, options)
  }

  /**
   * For fentry, fexit, fmod_ret and tp_btf programs: to what SEC() or {@link setAttachTarget} names.
   * (`bpf_program__attach_trace_opts`, Linux 5.5; cookies 5.19)
   */
  attachTracing(options: CookieOption = {}): Link {
    return attachTracing(this.#attachableBy('attachTracing'), this.section, options)
  }

  /** For LSM programs: to the hook that SEC() or {@link setAttachTarget} names. (`bpf_program__attach_lsm`, Linux 5.7, booted with lsm=...,bpf) */
  attachLsm(): Link {
    return attachLsm(this.#attachableBy('attachLsm'), this.section)
  }

  /**
   * Takes the place of a function of another BPF program. (`bpf_program__attach_freplace`, Linux 5.10)
   *
   * @param target - the program or a descriptor of it, of the same kind as the one that was set before load; that one without
   * @param name - its function
   */
  attachFreplace(target?: Program | number, name?: string): Link {
    return attachFreplace(this.#attachableBy('attachFreplace'), this.section, target, name)
  }

  /** Runs by a counter's or clock's ticking: sampling. The link owns the perf event. (`bpf_program__attach_perf_event_opts`, Linux 4.9) */
  attachPerfEvent(options: PerfEventOptions): Link {
    return attachPerfEvent(this.#attachableBy('attachPerfEvent'), options)
  }

  /**
   * The same on each of several CPUs, with a link for each. When one fails those before it are detached again.
   *
   * @param cpus - all that are online without it
   */
  attachPerfEventOnCpus(options: Omit<PerfEventOptions, 'cpu'>, cpus?: Iterable<number>): Link[] {
    return attachPerfEventOnCpus(this.#attachableBy('attachPerfEvent'), options, cpus)
  }

  /**
   * Runs on each frame that comes to an interface, before the network stack. (`bpf_link_create`, Linux 5.9; before, by netlink)
   *
   * @param to - the interface's name or index
   * @returns a link that knows the mode; {@link Link.update} replaces the program atomically
   */
  attachXdp(to: Interface, options: XdpOptions = {}): XdpLink {
    return attachXdp(this.#attachableBy('attachXdp'), to, options)
  }

  /** Runs on packets that come to or leave an interface, in order with others. (`bpf_link_create`, as `bpf_program__attach_tcx`; Linux 6.6) */
  attachTcx(to: Interface, options: TcxOptions = {}): Link {
    return attachTcx(this.#attachableBy('attachTcx'), to, options)
  }

  /** The same for a netkit device. (`bpf_link_create`, as `bpf_program__attach_netkit`; Linux 6.7) */
  attachNetkit(to: Interface, options: NetkitOptions = {}): Link {
    return attachNetkit(this.#attachableBy('attachNetkit'), to, options)
  }

  /**
   * As a classifier of traffic control, by its clsact qdisc, which is made where it's missing and stays. For kernels before 6.6;
   * there and later {@link attachTcx} is better: this is no link, and stays when the process ends. (`bpf_tc_attach`, Linux 4.5)
   */
  attachTc(to: Interface, point: TcPoint, options: TcOptions = {}): TcFilter {
    this.#attachableBy('attachTc')
    const hook = new TcHook(to, point)
    if (typeof point === 'string') hook.create()
    return hook.attach(this, options)
  }

  /**
   * To a cgroup and those below, for what SEC() says: packets, sockets, system calls on sockets, devices, sysctls, LSM hooks.
   * (`bpf_link_create`, as `bpf_program__attach_cgroup_opts`; Linux 5.7. Before, `bpf_prog_attach`)
   *
   * @param cgroup - its folder, or a descriptor of it
   */
  attachCgroup(cgroup: string | number, options: CgroupOptions = {}): Link {
    return attachCgroup(this.#attachableBy('attachCgroup'), cgroup, options)
  }

  /**
   * For sk_lookup and flow_dissector programs. (`bpf_link_create`, as `bpf_program__attach_netns`; Linux 5.8, sk_lookup 5.9)
   *
   * @param netns - its file, as in /run/netns or /proc/PID/ns/net, or a descriptor; this process's own without it
   */
  attachNetns(netns?: string | number): Link {
    return attachNetns(this.#attachableBy('attachNetns'), netns)
  }

  /** Runs on packets in one of netfilter's hooks, in order with iptables and nftables. (`bpf_program__attach_netfilter`, Linux 6.4) */
  attachNetfilter(options: NetfilterOptions): Link {
    return attachNetfilter(this.#attachableBy('attachNetfilter'), options)
  }

  /** sk_skb and sk_msg programs: for the sockets of a sockmap or sockhash. (`bpf_link_create`, as `bpf_program__attach_sockmap`; Linux 6.10. Before, `bpf_prog_attach`) */
  attachSockmap(map: BpfMap<unknown, unknown>): Link {
    return attachSockmap(this.#attachableBy('attachSockmap'), map)
  }

  /** Makes an iterator, which runs the program when it is read. (`bpf_program__attach_iter`, Linux 5.8) */
  attachIter(options: IterOptions = {}): IterLink {
    return attachIter(this.#attachableBy('attachIter'), this.section, options)
  }

  /**
   * Runs on what a socket receives, and says how many bytes of it the socket gets. It goes with the socket, or by {@link detachSocket}.
   * (SO_ATTACH_BPF, Linux 3.19)
   */
  attachSocket(socketFd: number): void {
    attachSocket(this.#attachableBy('attachSocket'), socketFd)
  }

  /** Chooses among the sockets of one port, for sk_reuseport and socket_filter programs. (SO_ATTACH_REUSEPORT_EBPF, Linux 4.5, sk_reuseport 4.19) */
  attachReuseport(socketFd: number): void {
    attachReuseport(this.#attachableBy('attachReuseport'), socketFd)
  }

  // ----

  /** Takes it out of the kernel, without its object. (`bpf_program__unload`) */
  unload(): void {
    this.#do('unload', () => native.programUnload(this.#handle))
  }

  /** Pins it into a BPF file system: it stays when the process ends. (`bpf_program__pin`) */
  pin(path: string): void {
    this.#do(`pin to ${path}`, () => native.programPin(this.#handle, path), path)
  }

  /** Removes the pin. (`bpf_program__unpin`) */
  unpin(path: string): void {
    this.#do(`unpin from ${path}`, () => native.programUnpin(this.#handle, path), path)
  }

  /**
   * Runs it once or `repeat` times on data that is given, on libuv's pool. (`bpf_prog_test_run_opts`, Linux 4.12; which types
   * can be run depends on the kernel)
   */
  async testRun(options: TestRunOptions = {}): Promise<TestRunResult> {
    this.fd
    return testRun(this.#handle, this.#subject, options)
  }

  /** Like {@link testRun}, and waits. */
  testRunSync(options: TestRunOptions = {}): TestRunResult {
    this.fd
    return testRunSync(this.#handle, this.#subject, options)
  }

  /** Itself, for one of the methods, if that takes programs of its kind. */
  #attachableBy(method: AttachMethod): Attachable {
    expectKind(method, this)
    return this.#attachable
  }

  get #attachable(): Attachable {
    return {
      handle: this.#handle,
      name: this.name,
      fd: this.fd,
      attachType: native.programExpectedAttachType(this.#handle),
      subject: this.#subject,
      own: this.#owner.own,
      dispatch: this.#replaceable ? () => this.#dispatch() : undefined,
    }
  }

  #dispatch(): Dispatcher {
    return this.#owner.dispatch(this.section, (dispatcher) => {
      dispatcher.type = this.type
      dispatcher.expectedAttachType = this.expectedAttachType
      if (this.#attachTarget !== undefined) dispatcher.setAttachTarget(...this.#attachTarget)
    })
  }

  get #subject(): Omit<Subject, 'what'> {
    return {
      object: this.#owner.name,
      program: this.name,
      capabilities: () => capabilitiesFor([programTypeName(native.programType(this.#handle))]),
    }
  }

  #do<T>(what: string, call: () => T, target?: string): T {
    return attempt({ ...this.#subject, target, what: `program '${this.name}': ${what}` }, call)
  }
}
