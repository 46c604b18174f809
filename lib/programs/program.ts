import { constants } from 'node:os'
import type { ProgramHandle } from '../../types/binding.js'
import { attachCgroup, type CgroupOptions } from '../attach/cgroup.js'
import type { Interface } from '../attach/interface.js'
import { attachIter, type IterLink, type IterOptions } from '../attach/iter.js'
import { type AttachMethod, expectKind, onlyAttachTypes, whyNoTarget } from '../attach/kinds.js'
import {
  attachKprobe,
  attachKprobeMulti,
  attachKprobeMultiSync,
  attachKsyscall,
  type KprobeMultiOptions,
  type KprobeOptions,
  type KsyscallOptions,
} from '../attach/kprobe.js'
import { attachLirc } from '../attach/lirc.js'
import { attachNetfilter, type NetfilterOptions } from '../attach/netfilter.js'
import { attachNetns } from '../attach/netns.js'
import {
  attachPerfEvent,
  attachPerfEventOnCpus,
  type OpenPerfEvent,
  type PerfEventOptions,
} from '../attach/perf-event.js'
import { isTracepoint } from '../attach/perf-event-attr.js'
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
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { type Attachable, attachablePrograms, type Dispatcher } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { tooOldFor } from '../machine/kernel-version.js'
import { type PinFolder, pinAt } from '../machine/pin-folder.js'
import type { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import { attachTypeNumber } from '../native/type-names.js'
import { adopt, adoptFd, type Foreign, type ProgramOptions } from './foreign.js'
import { attachTargetOf, doWith, type ProgramOwner, ProgramProperties, subjectOf } from './properties.js'
import { type TestRunOptions, type TestRunResult, testRun, testRunSync } from './test-run.js'

/**
 * A program. One that belongs to a {@link BpfObject} can be used until its object is closed. One that you open with
 * {@link fromPin}, {@link fromId} or {@link fromFd} has no object, and you close it yourself.
 */
export class Program extends ProgramProperties {
  readonly #handle: ProgramHandle
  readonly #owner: ProgramOwner

  static {
    attachablePrograms.register((program) => (#handle in program ? program.#attachable : undefined))
  }

  /** Use {@link BpfObject.program}. @internal */
  constructor(handle: ProgramHandle, owner: ProgramOwner) {
    super(handle, owner)
    this.#handle = handle
    this.#owner = owner
  }

  /**
   * Opens a pinned program. (`bpf_obj_get`, Linux 4.4)
   *
   * It can be attached, put into a program array, replaced in part (`attachFreplace`), run, dumped and pinned. You
   * close it yourself, which also detaches what you attached.
   *
   * @throws BpfError EINVAL if something else is pinned there
   * @example
   * using program = Program.fromPin('/sys/fs/bpf/firewall', { section: 'xdp' })
   * const link = program.attachXdp('eth0')
   */
  static fromPin(path: string, options: ProgramOptions = {}): Program {
    const subject = { what: `open the pinned program ${path}`, target: path, arguments: ['path'] }
    return Program.#adopt(adopt(subject, () => native.pinOpen(path, 0, -1), options))
  }

  /**
   * Opens any program in the kernel by its id. See {@link fromPin}. (`bpf_prog_get_fd_by_id`, Linux 4.13; requires
   * CAP_SYS_ADMIN)
   */
  static fromId(id: number, options: ProgramOptions = {}): Program {
    const subject = {
      what: `open program ${id}`,
      arguments: ['id'],
      capabilities: () => ['CAP_SYS_ADMIN' as const],
    }
    return Program.#adopt(adopt(subject, () => native.programFdById(id), options))
  }

  /**
   * Opens a program by its descriptor, for example one that another process has sent. See {@link fromPin}. (Linux 4.13)
   *
   * @param fd - the descriptor is duplicated; you still own it
   */
  static fromFd(fd: number, options: ProgramOptions = {}): Program {
    return Program.#adopt(adoptFd({ what: `open fd ${fd} as a program`, arguments: ['fd'] }, fd, options))
  }

  static #adopt({ handle, owner }: Foreign): Program {
    return new Program(handle, owner)
  }

  /**
   * Attaches the program to the hook that SEC() names. (`bpf_program__attach`)
   *
   * @throws BpfError ENOTSUP if the section names no hook; use the method for the hook then
   */
  attach(): Link {
    const link = this.tryAttach()
    if (link !== undefined) return link
    throw new BpfError(`attach program '${this.name}': ${whyNoTarget(this)}`, {
      ...subjectOf(this),
      code: 'ENOTSUP',
      errno: 95,
      operation: 'bpf_program__attach',
    })
  }

  /** Like {@link attach}, but returns `undefined` if the section names no hook. */
  tryAttach(): Link | undefined {
    return tryAttach(this.#attachable, this.section)
  }

  // ---- Attaching to a hook that SEC() does not name, or with options

  /**
   * Runs the program when a kernel function is called, or when it returns. (`bpf_program__attach_kprobe_opts`, Linux
   * 4.1)
   *
   * @param symbol - the name of the function, or several names; the first one that can be probed is used, and
   * {@link Link.target} tells you which it is
   */
  attachKprobe(symbol: string | readonly string[], options: KprobeOptions = {}): Link {
    return attachKprobe(this.#attachableBy('attachKprobe'), symbol, options)
  }

  /**
   * Runs the program when a system call is made, or when it returns, on every architecture. The program reads the
   * arguments with BPF_KSYSCALL. (`bpf_program__attach_ksyscall`, Linux 4.1)
   *
   * @param name - the system call, such as 'unlinkat'
   */
  attachKsyscall(name: string, options: KsyscallOptions = {}): Link {
    return attachKsyscall(this.#attachableBy('attachKsyscall'), name, options)
  }

  /**
   * Runs a SEC("kprobe.multi") program when any of many kernel functions is called. Attaches on libuv's pool.
   * (`bpf_program__attach_kprobe_multi_opts`, Linux 5.18)
   */
  async attachKprobeMulti(options: KprobeMultiOptions): Promise<Link> {
    return attachKprobeMulti(this.#attachableBy('attachKprobeMulti'), options)
  }

  /** Like {@link attachKprobeMulti}, but blocks until it is done. */
  attachKprobeMultiSync(options: KprobeMultiOptions): Link {
    return attachKprobeMultiSync(this.#attachableBy('attachKprobeMulti'), options)
  }

  /**
   * Runs the program when a function of an executable or a library is called, or when it returns.
   * (`bpf_program__attach_uprobe_opts`, Linux 4.3)
   *
   * @param binary - a path, or the name of a library (`libc.so.6`) or of an executable on the PATH. With `pid`, the
   * file that this process has mapped is used, even if it was replaced on disk or is in a container; an error says why
   * if that is not possible. `archive!/file` is a file in a zip archive.
   */
  attachUprobe(binary: string, options: UprobeOptions): Link {
    return attachUprobe(this.#attachableBy('attachUprobe'), binary, options)
  }

  /**
   * Runs a SEC("uprobe.multi") program when any of many functions of an executable or a library is called. Attaches on
   * libuv's pool. (`bpf_program__attach_uprobe_multi`, Linux 6.6)
   *
   * @param binary - as for {@link attachUprobe}
   */
  async attachUprobeMulti(binary: string, options: UprobeMultiOptions): Promise<Link> {
    return attachUprobeMulti(this.#attachableBy('attachUprobeMulti'), binary, options)
  }

  /** Like {@link attachUprobeMulti}, but blocks until it is done. */
  attachUprobeMultiSync(binary: string, options: UprobeMultiOptions): Link {
    return attachUprobeMultiSync(this.#attachableBy('attachUprobeMulti'), binary, options)
  }

  /**
   * Runs the program at a static probe (USDT) of an executable or a library. The object must include usdt.bpf.h.
   * Before Linux 5.15, libraries and position-independent executables can only be probed in one process, given by
   * `pid`. (`bpf_program__attach_usdt`, Linux 4.3)
   *
   * @param binary - as for {@link attachUprobe}
   * @param provider - the first part of the probe's name, such as 'python'
   * @param name - the second part, such as 'gc__start'
   */
  attachUsdt(binary: string, provider: string, name: string, options: UsdtOptions = {}): Link {
    return attachUsdt(this.#attachableBy('attachUsdt'), this.section, binary, provider, name, options)
  }

  /**
   * Runs the program at a tracepoint. (`bpf_program__attach_tracepoint_opts`, Linux 4.7; cookies 5.15)
   *
   * @param category - such as 'sched'
   * @param name - such as 'sched_switch'
   */
  attachTracepoint(category: string, name: string, options: CookieOption = {}): Link {
    return attachTracepoint(this.#attachableBy('attachTracepoint'), category, name, options)
  }

  /**
   * Runs the program at a tracepoint and passes the arguments as the kernel has them.
   * (`bpf_program__attach_raw_tracepoint_opts`, Linux 4.17; cookies 6.10)
   */
  attachRawTracepoint(name: string, options: CookieOption = {}): Link {
    return attachRawTracepoint(this.#attachableBy('attachRawTracepoint'), name, options)
  }

  /**
   * Attaches an fentry, fexit, fmod_ret or tp_btf program to the function or tracepoint that SEC() or {@link
   * setAttachTarget} names. (`bpf_program__attach_trace_opts`, Linux 5.5; cookies 5.19)
   */
  attachTracing(options: CookieOption = {}): Link {
    return attachTracing(this.#attachableBy('attachTracing'), this.section, options)
  }

  /**
   * Attaches an LSM program to the hook that SEC() or {@link setAttachTarget} names. The kernel must be booted with
   * `lsm=...,bpf`. (`bpf_program__attach_lsm`, Linux 5.7)
   */
  attachLsm(): Link {
    return attachLsm(this.#attachableBy('attachLsm'), this.section)
  }

  /**
   * Replaces a function of another BPF program. (`bpf_program__attach_freplace`, Linux 5.10)
   *
   * @param target - the program or its descriptor. It must be of the same kind as the target that was set before load,
   * which is the default.
   * @param name - the name of the function
   */
  attachFreplace(target?: Program | number, name?: string): Link {
    return attachFreplace(this.#attachableBy('attachFreplace'), this.section, target, name)
  }

  /**
   * Runs the program whenever a performance counter or a clock has advanced by a period: sampling. The link owns the
   * perf event. (`bpf_program__attach_perf_event_opts`, Linux 4.9)
   *
   * Pass what to count and where, or a {@link PerfEvent} or another open event, whose descriptor the link duplicates. A
   * hardware breakpoint runs the program at each access to an address, without a period. A tracepoint is for
   * SEC("tracepoint") programs, which then run each time that any process reaches it.
   *
   * @example
   * // Who writes to this variable of a process?
   * program.attachPerfEvent({ event: { breakpoint: address, on: 'write', length: 8 }, pid })
   */
  attachPerfEvent(options: PerfEventOptions | OpenPerfEvent): Link {
    if ('fd' in options) return attachPerfEvent(this.#attachable, options)
    const method = isTracepoint(options.event) ? 'attachTracepoint' : 'attachPerfEvent'
    return attachPerfEvent(this.#attachableBy(method), options)
  }

  /**
   * Like {@link attachPerfEvent} on several CPUs, with one link for each. If one fails, those before it are detached
   * again.
   *
   * @param cpus - the CPUs; by default all that are online
   */
  attachPerfEventOnCpus(options: Omit<PerfEventOptions, 'cpu'>, cpus?: Iterable<number>): Link[] {
    return attachPerfEventOnCpus(this.#attachableBy('attachPerfEvent'), options, cpus)
  }

  /**
   * Runs the program for each frame that an interface receives, before the network stack sees it. (`bpf_link_create`,
   * Linux 5.9; netlink before that)
   *
   * @param to - the name or the index of the interface
   * @returns a link with the mode; {@link Link.update} replaces the program atomically
   */
  attachXdp(to: Interface, options: XdpOptions = {}): XdpLink {
    return attachXdp(this.#attachableBy('attachXdp'), to, options)
  }

  /**
   * Runs the program for packets that an interface receives or sends. Several programs run in an order that you can
   * choose. (`bpf_link_create` like `bpf_program__attach_tcx`, Linux 6.6)
   */
  attachTcx(to: Interface, options: TcxOptions = {}): Link {
    return attachTcx(this.#attachableBy('attachTcx'), to, options)
  }

  /**
   * Like {@link attachTcx}, but for a netkit device. (`bpf_link_create` like `bpf_program__attach_netkit`, Linux 6.7)
   */
  attachNetkit(to: Interface, options: NetkitOptions = {}): Link {
    return attachNetkit(this.#attachableBy('attachNetkit'), to, options)
  }

  /**
   * Attaches the program as a classifier of traffic control. The clsact qdisc is created if it is missing, and stays.
   * Prefer {@link attachTcx} since Linux 6.6: a classifier is not a link, and stays attached when the process ends.
   * (`bpf_tc_attach`, Linux 4.5)
   */
  attachTc(to: Interface, point: TcPoint, options: TcOptions = {}): TcFilter {
    this.#attachableBy('attachTc')
    const hook = new TcHook(to, point)
    if (typeof point === 'string') hook.create()
    return hook.attach(this, options)
  }

  /**
   * Attaches the program to a cgroup and its descendants. SEC() says what it is for: packets, sockets, system calls on
   * sockets, devices, sysctls, LSM hooks. (`bpf_link_create` like `bpf_program__attach_cgroup_opts`, Linux 5.7;
   * `bpf_prog_attach` before that)
   *
   * @param cgroup - the directory of the cgroup, or its descriptor
   */
  attachCgroup(cgroup: string | number, options: CgroupOptions = {}): Link {
    return attachCgroup(this.#attachableBy('attachCgroup'), cgroup, options)
  }

  /**
   * Attaches an sk_lookup or flow_dissector program to a network namespace. (`bpf_link_create` like
   * `bpf_program__attach_netns`, Linux 5.8; sk_lookup 5.9)
   *
   * @param netns - the file of the namespace (in /run/netns, or /proc/PID/ns/net) or its descriptor; by default the
   * process's own
   */
  attachNetns(netns?: string | number): Link {
    return attachNetns(this.#attachableBy('attachNetns'), netns)
  }

  /**
   * Runs the program for packets in one of netfilter's hooks, ordered by priority with iptables and nftables.
   * (`bpf_program__attach_netfilter`, Linux 6.4)
   */
  attachNetfilter(options: NetfilterOptions): Link {
    return attachNetfilter(this.#attachableBy('attachNetfilter'), options)
  }

  /**
   * Runs an sk_skb or sk_msg program for the sockets in a sockmap or sockhash. (`bpf_link_create` like
   * `bpf_program__attach_sockmap`, Linux 6.10; `bpf_prog_attach` before that)
   */
  attachSockmap(map: BpfMap<unknown, unknown>): Link {
    return attachSockmap(this.#attachableBy('attachSockmap'), map)
  }

  /**
   * Runs a lirc_mode2 program for what an infrared receiver sees. It stays attached until the link is closed, also after
   * the process ends. (`bpf_prog_attach`, Linux 4.18)
   *
   * @param device - its file, such as '/dev/lirc0', or a descriptor of it
   */
  attachLirc(device: string | number): Link {
    return attachLirc(this.#attachableBy('attachLirc'), device)
  }

  /** Creates an iterator. Reading it runs the program for each item. (`bpf_program__attach_iter`, Linux 5.8) */
  attachIter(options: IterOptions = {}): IterLink {
    return attachIter(this.#attachableBy('attachIter'), this.section, options)
  }

  /**
   * Runs the program for everything that a socket receives. It returns how many bytes the socket gets. The program
   * stays attached until the socket is closed or you call {@link detachSocket}. (SO_ATTACH_BPF, Linux 3.19)
   */
  attachSocket(socketFd: number): void {
    attachSocket(this.#attachableBy('attachSocket'), socketFd)
  }

  /**
   * Lets an sk_reuseport or socket_filter program choose among the sockets that share a port.
   * (SO_ATTACH_REUSEPORT_EBPF, Linux 4.5; sk_reuseport 4.19)
   */
  attachReuseport(socketFd: number): void {
    attachReuseport(this.#attachableBy('attachReuseport'), socketFd)
  }

  // ----

  /** Removes the program from the kernel; the rest of the object stays. (`bpf_program__unload`) */
  unload(): void {
    doWith(this, 'unload', () => native.programUnload(this.#handle))
  }

  /**
   * Keeps a map in the kernel as long as the program, although the program does not use it: for data about the program
   * that tools read. (`bpf_prog_bind_map`, Linux 5.10)
   */
  bindMap(map: BpfMap<unknown, unknown>): void {
    this.fd
    const handle = mapHandles.of(map)
    doWith(this, `bind map '${map.name}'`, () => native.programBindMap(this.#handle, handle))
  }

  /**
   * Tells the kernel which struct_ops map the program belongs to, so that kfuncs that the program calls find it.
   * (`bpf_program__assoc_struct_ops`, Linux 7.0)
   *
   * @param map - a loaded struct_ops map of an object; the program must not be part of it, and have no such map yet
   */
  assocStructOps(map: BpfMap<unknown, unknown>): void {
    this.fd
    const handle = mapHandles.of(map)
    const { type, name } = map
    const subject = {
      ...subjectOf(this),
      what: `program '${this.name}': associate struct_ops map '${name}'`,
      reason: ({ errno }: { errno: number }) => {
        if (type !== 'struct_ops') return `the map is of type ${type}`
        if (errno === constants.errno.EBUSY) return 'the program is associated with a map already'
        return errno === constants.errno.EINVAL ? tooOldFor('7.0') : undefined
      },
    }
    attempt(subject, () => native.programAssocStructOps(this.#handle, handle))
  }

  /**
   * Pins the program to a file in a BPF file system, so that it stays loaded when the process ends.
   * (`bpf_program__pin`)
   *
   * @param options - `folder`: a descriptor of the folder that `path` is relative to (`bpf_obj_pin_opts`, Linux 6.5)
   */
  pin(path: string, { folder }: PinFolder = {}): void {
    if (folder !== undefined) pinAt(subjectOf(this), `program '${this.name}'`, this.fd, path, folder)
    else doWith(this, `pin to ${path}`, () => native.programPin(this.#handle, path), path)
  }

  /** Removes a pin. (`bpf_program__unpin`) */
  unpin(path: string): void {
    doWith(this, `unpin from ${path}`, () => native.programUnpin(this.#handle, path), path)
  }

  /**
   * Runs the program with the given data, once or `repeat` times, on libuv's pool. Which types of programs can be run
   * depends on the kernel. (`bpf_prog_test_run_opts`, Linux 4.12)
   *
   * @throws BpfError if the kernel cannot run the program this way; RangeError if there is not enough memory for the
   * buffers
   */
  async testRun(options: TestRunOptions = {}): Promise<TestRunResult> {
    this.fd
    return testRun(this.#handle, subjectOf(this), options)
  }

  /** Like {@link testRun}, but blocks until it is done. */
  testRunSync(options: TestRunOptions = {}): TestRunResult {
    this.fd
    return testRunSync(this.#handle, subjectOf(this), options)
  }

  /**
   * Detaches and releases a program that does not belong to an object. The programs of an object are closed together
   * with it, so for them this does nothing. You can call it twice.
   */
  close(): void {
    this.#owner.close?.()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** The program for one of the methods, if that accepts programs of its kind. */
  #attachableBy(method: AttachMethod): Attachable {
    expectKind(method, this)
    return this.#attachable
  }

  get #attachable(): Attachable {
    return {
      handle: this.#handle,
      name: this.name,
      fd: this.fd,
      attachType: this.#attachType,
      subject: subjectOf(this),
      own: this.#owner.own,
      dispatch: this.replaceable ? () => this.#dispatch() : undefined,
    }
  }

  get #attachType(): number {
    const only = this.section === '' ? onlyAttachTypes[this.type] : undefined
    return only === undefined ? native.programExpectedAttachType(this.#handle) : attachTypeNumber(only)
  }

  #dispatch(): Dispatcher {
    return this.#owner.dispatch(this.section, (dispatcher) => {
      dispatcher.type = this.type
      dispatcher.expectedAttachType = this.expectedAttachType
      const target = attachTargetOf(this)
      if (target !== undefined) dispatcher.setAttachTarget(...target)
    })
  }
}
