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
import { isBytes, ownBytes } from '../btf/bytes.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'
import { readStats, type VerifierStats } from '../errors/verifier-log.js'
import { type Attachable, attachablePrograms, type Dispatcher, type Owner } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { capabilitiesFor } from '../machine/capabilities.js'
import { tooOldFor } from '../machine/kernel-version.js'
import { type PinFolder, pinAt } from '../machine/pin-folder.js'
import type { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { mapHandles, programHandles } from '../native/handles.js'
import {
  type AttachType,
  attachTypeName,
  attachTypeNumber,
  type ProgramType,
  programTypeName,
  programTypeNumber,
} from '../native/type-names.js'
import { dumpProgramFd, type ProgramDump } from './dump.js'
import { adopt, adoptFd, type Foreign, type ProgramOptions } from './foreign.js'
import type { ProgramInfo } from './info.js'
import { instructionMoves } from './instruction-moves.js'
import { type TestRunOptions, type TestRunResult, testRun, testRunSync } from './test-run.js'

/** What a program needs from its object. @internal */
export interface ProgramOwner extends Owner {
  /** @param what - the operation, for the error @throws BpfError ERR_BPF_STATE if the object is not prepared or is loaded */
  expectPrepared(what: string): void
  /** Loads a dispatcher for {@link Program.replaceable}. */
  dispatch(section: string, prepare: (dispatcher: Program) => void): Dispatcher
  /** Missing if the program is closed with its object. */
  close?(): void
}

/** The number of bytes to read at a time. The kernel keeps at most 100,000. */
const streamChunk = 1 << 16

/**
 * A program. That of a {@link BpfObject} can be used until its object is closed. One that you open with {@link fromPin},
 * {@link fromId} or {@link fromFd} has no object, and you close it yourself.
 */
export class Program implements Disposable {
  readonly #handle: ProgramHandle
  readonly #owner: ProgramOwner
  /** The name of the C function. (`bpf_program__name`) */
  readonly name: string
  /** The name of the section, as in SEC(). (`bpf_program__section_name`) */
  readonly section: string
  #replaceable = false
  /** The arguments of {@link setAttachTarget}, which libbpf cannot be asked for. */
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

  /**
   * Opens a pinned program. (`bpf_obj_get`, Linux 4.4)
   *
   * It can be attached, put into a program array, replaced in part (`attachFreplace`), run, dumped and pinned. You close
   * it, which also detaches what you attached.
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
   * The type of the program. It follows from the section's name unless you set it before load. (`bpf_program__type`,
   * `bpf_program__set_type`)
   */
  get type(): ProgramType {
    return programTypeName(this.#do('read the type', () => native.programType(this.#handle)))
  }
  set type(type: ProgramType) {
    const number = programTypeNumber(type)
    this.#do(`set the type to ${type}`, () => native.programSetType(this.#handle, number))
  }

  /**
   * What the program is meant to be attached to. Set it before load. (`bpf_program__expected_attach_type`,
   * `bpf_program__set_expected_attach_type`)
   */
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

  /**
   * The flags for loading, `BPF_F_*` of linux/bpf.h. Set them before load. (`bpf_program__flags`,
   * `bpf_program__set_flags`)
   */
  get flags(): number {
    return this.#do('read the flags', () => native.programFlags(this.#handle))
  }
  set flags(flags: number) {
    this.#do('set the flags', () => native.programSetFlags(this.#handle, flags))
  }

  /**
   * Whether {@link BpfObject.load} loads the program. The default is false if the section's name begins with '?', and
   * true otherwise. (`bpf_program__autoload`, `bpf_program__set_autoload`)
   */
  get autoload(): boolean {
    return this.#do('read autoload', () => native.programAutoload(this.#handle))
  }
  set autoload(on: boolean) {
    this.#do('set autoload', () => native.programSetAutoload(this.#handle, on))
  }

  /**
   * Whether {@link BpfObject.attach} attaches the program. (`bpf_program__autoattach`, `bpf_program__set_autoattach`)
   */
  get autoattach(): boolean {
    return this.#do('read autoattach', () => native.programAutoattach(this.#handle))
  }
  set autoattach(on: boolean) {
    this.#do('set autoattach', () => native.programSetAutoattach(this.#handle, on))
  }

  /**
   * What the verifier logs: 1 for branches, 2 for every instruction, 4 for statistics. Add them up.
   * (`bpf_program__log_level`, `bpf_program__set_log_level`)
   */
  get logLevel(): number {
    return this.#do('read the log level', () => native.programLogLevel(this.#handle))
  }
  set logLevel(level: number) {
    this.#do('set the log level', () => native.programSetLogLevel(this.#handle, level))
  }

  /**
   * What the verifier logged about the program while {@link BpfObject.load} loaded it; '' unless {@link logLevel} was
   * set. If it was rejected, the log is in {@link VerifierError.verifierLog}; with {@link OpenOptions.kernelLogSize} it
   * is here, too. (`bpf_program__log_buf`)
   */
  get verifierLog(): string {
    return this.#do('read the log', () => native.programVerifierLog(this.#handle))
  }

  /**
   * How much work the program was for the verifier, from its log; `undefined` unless {@link logLevel} was set. Level 4
   * logs nothing else, and includes the stack and the time. (Linux 5.2)
   *
   * @example
   * const obj = BpfObject.open('exec.bpf.o', { kernelLogLevel: 4 })
   * await obj.load()
   * obj.program('on_exec').verifierStats?.instructions
   */
  get verifierStats(): VerifierStats | undefined {
    return readStats(this.verifierLog)
  }

  /** Sets the network device that the program is offloaded to. Call it before load. (`bpf_program__set_ifindex`) */
  setIfindex(ifindex: number): void {
    this.#do('set the ifindex', () => native.programSetIfindex(this.#handle, ifindex))
  }

  /**
   * Sets the function or hook for an fentry, fexit, fmod_ret, LSM, iterator or freplace program whose SEC() does not
   * name one. Call it before load. (`bpf_program__set_attach_target`, Linux 5.5)
   *
   * @param names - the name of the function, or several names; the first one that exists is used
   * @param target - the BPF program that has the function, or its descriptor; by default it is a function of the kernel
   * @returns the name that was used
   * @throws BpfError ESRCH if none of them exists, with the most similar name
   */
  setAttachTarget(names: string | readonly string[], target: Program | number = 0): string {
    const targetFd = typeof target === 'number' ? target : target.fd
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
   * Returns why this kernel would not accept a program of this kind on the hook that SEC() or {@link setAttachTarget}
   * names, or `undefined` if it would. You can call it before load. {@link BpfObject.choose} uses it.
   *
   * For tracing, LSM, raw tracepoint and kprobe.multi programs, an empty program is loaded and attached to the same
   * hook. For kprobes and tracepoints, only checks that the target exists; for other types, that the kernel knows the
   * type. Nothing is checked for freplace and struct_ops. The program's own instructions are never checked. Finding
   * functions of kernel modules for fentry, fexit and fmod_ret requires CAP_SYS_ADMIN (Linux 5.11).
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
   * Whether to attach the program through a dispatcher, which makes it possible to replace the program atomically. Set
   * it before you attach; the default is false.
   *
   * A dispatcher is a small program on the hook that only jumps to this one (`bpf_tail_call`), which costs a few
   * nanoseconds per run. {@link BpfObject.replace} changes where it jumps to. This is for hooks whose program the
   * kernel cannot exchange: kprobes, uprobes, tracepoints, perf events, fentry. The dispatcher does not outlive the
   * process, not even in a pinned link. It does not work for sleepable programs and USDT. (Linux 4.2; for fentry and
   * fexit 5.6)
   */
  get replaceable(): boolean {
    return this.#replaceable
  }
  set replaceable(on: boolean) {
    this.#replaceable = on
  }

  /**
   * The number of instructions in units of 8 bytes; a load of a 64-bit constant counts as two. After load it includes
   * subprograms. Without an object, it counts what the verifier made of them. (`bpf_program__insn_cnt`)
   */
  get instructionCount(): number {
    if (this.#owner.close !== undefined) return this.info().xlatedSize / 8
    return this.#do('count the instructions', () => native.programInsnCount(this.#handle))
  }

  /**
   * The instructions, 8 bytes each, with those of its functions once the object is prepared. Reading them gives a copy.
   * Without an object, they are what the verifier made of them, or empty if the kernel hides that from this process.
   *
   * You can replace them between {@link BpfObject.prepare} and load. By then, libbpf has written the addresses of maps
   * and the offsets of members into them; doing that later would damage your new instructions. `libbpf-node/asm` turns
   * instructions into data and back. C lines and functions move along with the instructions that are inserted or
   * removed. If fewer instructions are left than C lines, jumps to the next instruction are put in front; the verifier
   * removes them. (`bpf_program__insns`, `bpf_program__set_insns`)
   *
   * @throws BpfError ERR_BPF_STATE if the object is not prepared, or is already loaded
   * @example
   * const code = disassemble(program.instructions)
   * const stubbed = code.map((one) => (one.code === 0x85 && one.imm === 5 ? mov(r0, 0) : one))
   * program.instructions = assemble(stubbed)
   */
  get instructions(): Uint8Array {
    if (this.#owner.close !== undefined) {
      const { fd } = this
      return ownBytes(this.#do('read the instructions', () => native.programDump(fd)).xlated)
    }
    return ownBytes(this.#do('read the instructions', () => native.programInsns(this.#handle)))
  }
  set instructions(bytes: Uint8Array) {
    this.#owner.expectPrepared(`set the instructions of program '${this.name}' of`)
    // Other arguments are refused below.
    const isCode = isBytes(bytes) && bytes.length % 8 === 0
    const moves = isCode ? instructionMoves(this.instructions, bytes) : new Uint32Array()
    this.#do('set the instructions', () =>
      native.programSetInsns(this.#handle, bytes, new Uint8Array(moves.buffer)),
    )
  }

  /** Whether the program is in the kernel. */
  get loaded(): boolean {
    return this.#do('look whether it is loaded', () => native.programFd(this.#handle)) >= 0
  }

  /** The file descriptor. The object owns it. (`bpf_program__fd`) @throws BpfError ERR_BPF_STATE before load */
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

  /** The kernel's id of the program, after load. (Linux 4.13) */
  get id(): number {
    return this.info().id
  }

  /** What the kernel reports about the program, after load. (`bpf_prog_get_info_by_fd`, Linux 4.13) */
  info(): ProgramInfo {
    this.fd
    const { type, ...rest } = this.#do('read the info', () => native.programInfo(this.#handle))
    return { ...rest, type: programTypeName(type) }
  }

  /**
   * Returns the instructions and the machine code of the program as they are in the kernel. The C lines are included
   * if the process may read BTF by id (CAP_SYS_ADMIN). Use {@link dumpProgram} for programs of other processes.
   * (`bpf_prog_get_info_by_fd`, Linux 4.13)
   */
  dump(): ProgramDump {
    const { fd } = this
    const info = this.info()
    return this.#do('read the instructions', () => dumpProgramFd(info, fd))
  }

  /**
   * Reads what was written to one of the program's streams since the last call. The program writes with
   * `bpf_stream_printk`; the kernel reports faults in arenas. (`bpf_prog_stream_read`, Linux 6.17)
   *
   * @param stream - the kernel writes to 'stderr'
   * @returns the text; '' if there is nothing new
   */
  readStream(stream: 'stdout' | 'stderr'): string {
    const number = { stdout: 1, stderr: 2 }[stream]
    if (number === undefined)
      throw new TypeError(`stream '${stream}' does not exist; the streams are stdout and stderr`)
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
   * Attaches the program to the hook that SEC() names. (`bpf_program__attach`)
   *
   * @throws BpfError ENOTSUP if the section names no hook; use the method for the hook then
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
   * Give it what to count and where, or a {@link PerfEvent} or another open event, whose descriptor the link duplicates.
   * A hardware breakpoint runs the program at each access to an address, without a period. A tracepoint is for
   * SEC("tracepoint") programs, which then run each time in every process.
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
    this.#do('unload', () => native.programUnload(this.#handle))
  }

  /**
   * Keeps a map in the kernel as long as the program, although the program does not use it: for data about the program
   * that tools read. (`bpf_prog_bind_map`, Linux 5.10)
   */
  bindMap(map: BpfMap<unknown, unknown>): void {
    this.fd
    const handle = mapHandles.of(map)
    this.#do(`bind map '${map.name}'`, () => native.programBindMap(this.#handle, handle))
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
      ...this.#subject,
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
    if (folder !== undefined) pinAt(this.#subject, `program '${this.name}'`, this.fd, path, folder)
    else this.#do(`pin to ${path}`, () => native.programPin(this.#handle, path), path)
  }

  /** Removes a pin. (`bpf_program__unpin`) */
  unpin(path: string): void {
    this.#do(`unpin from ${path}`, () => native.programUnpin(this.#handle, path), path)
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
    return testRun(this.#handle, this.#subject, options)
  }

  /** Like {@link testRun}, but blocks until it is done. */
  testRunSync(options: TestRunOptions = {}): TestRunResult {
    this.fd
    return testRunSync(this.#handle, this.#subject, options)
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
      subject: this.#subject,
      own: this.#owner.own,
      dispatch: this.#replaceable ? () => this.#dispatch() : undefined,
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
