import type {
  TestRunResult as NativeTestRunResult,
  ProgramHandle,
  TestRunArguments,
} from '../types/binding.js'
import { native } from './binding.js'
import { attempt, attemptAsync } from './call.js'
import { capabilitiesFor } from './capabilities.js'
import { BpfError } from './errors.js'
import type { Subject } from './explain.js'
import { Link } from './link.js'
import {
  type AttachType,
  attachTypeName,
  attachTypeNumber,
  type ProgramType,
  programTypeName,
  programTypeNumber,
} from './names.js'

/** What `Program` needs of the object that it belongs to. @internal */
export interface ProgramOwner {
  readonly name: string
  /** Keeps a link until it's closed, or closes it with the object. */
  own(make: (onClose: () => void) => Link): Link
}

/** What the kernel says of a loaded program. */
export interface ProgramInfo {
  type: ProgramType
  id: number
  /** At most 15 characters: the kernel keeps no more. */
  name: string
  /** 8 bytes as hexadecimal digits; programs with the same instructions have the same. */
  tag: string
  /** Bytes of machine code; 0 without the JIT, or where it's hidden from this process. */
  jitedSize: number
  /** Bytes of BPF instructions after the verifier's rewriting. */
  xlatedSize: number
  /** Nanoseconds since boot. */
  loadTime: bigint
  createdByUid: number
  /** Ids of the maps that it uses. */
  mapIds: number[]
  ifindex: number
  gplCompatible: boolean
  btfId: number
  /** 0 unless statistics are on (sysctl kernel.bpf_stats_enabled). */
  runTimeNs: bigint
  runCount: bigint
  recursionMisses: bigint
  /** Linux 5.16 */
  verifiedInstructions: number
}

export interface TestRunOptions {
  /** Packet data; socket and XDP programs want 14 bytes at least. */
  data?: Uint8Array
  /** Room in bytes for the packet that the program leaves; the length of `data` and 256 by default. */
  dataOutSize?: number
  /** The context, as the kernel defines it for the program's type. */
  context?: Uint8Array
  /** Room in bytes for the context that the program leaves; the length of `context` by default. */
  contextOutSize?: number
  /** How often it runs; once by default. `duration` is the average. */
  repeat?: number
  /** `BPF_F_TEST_*` of linux/bpf.h. */
  flags?: number
  /** The CPU for raw tracepoint programs with BPF_F_TEST_RUN_ON_CPU. */
  cpu?: number
  /** Frames at a time for XDP with BPF_F_TEST_XDP_LIVE_FRAMES. */
  batchSize?: number
}

export interface TestRunResult {
  /** What the program returned. */
  retval: number
  /** Nanoseconds a run, on average. */
  duration: number
  /** The packet as the program left it. */
  data: Uint8Array
  /** The context as the program left it. */
  context: Uint8Array
}

const testRunArguments = [
  'program',
  'data',
  'dataOutSize',
  'context',
  'contextOutSize',
  'repeat',
  'flags',
  'cpu',
  'batchSize',
]

let handleOf: (program: Program) => ProgramHandle

/** The native handle of a program. @internal */
export function handleOfProgram(program: Program): ProgramHandle {
  if (!(program instanceof Program)) throw new TypeError('program is not a Program of libbpf-node')
  return handleOf(program)
}

/** A program of a {@link BpfObject}. It lives as long as its object. */
export class Program {
  readonly #handle: ProgramHandle
  readonly #owner: ProgramOwner
  /** The C function's name. (`bpf_program__name`) */
  readonly name: string
  /** What SEC() says. (`bpf_program__section_name`) */
  readonly section: string

  static {
    handleOf = (program) => program.#handle
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
   * @param name - the function's name
   * @param targetFd - the descriptor of the program it is in; of the kernel without
   */
  setAttachTarget(name: string, targetFd = 0): void {
    this.#do(
      `set the attach target to ${name}`,
      () => native.programSetAttachTarget(this.#handle, targetFd, name),
      name,
    )
  }

  /** Instructions, of which some are there twice as long. After load, those of its subprograms, too. (`bpf_program__insn_cnt`) */
  get instructionCount(): number {
    return this.#do('count the instructions', () => native.programInsnCount(this.#handle))
  }

  /** A copy of the instructions, 8 bytes each. (`bpf_program__insns`) */
  get instructions(): Uint8Array {
    return this.#do('read the instructions', () => native.programInsns(this.#handle))
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
   * Attaches it to what SEC() names. (`bpf_program__attach`)
   *
   * @throws BpfError ENOTSUP where the section's name doesn't say to what: use the method for its hook
   */
  attach(): Link {
    const link = this.tryAttach()
    if (link !== undefined) return link
    throw new BpfError(
      `attach program '${this.name}': SEC("${this.section}") does not say to what; a full name does, as in SEC("tp/sched/sched_process_exec")`,
      { ...this.#subject, code: 'ENOTSUP', errno: 95, operation: 'bpf_program__attach' },
    )
  }

  /** Like {@link attach}, but `undefined` where the section's name doesn't say to what. */
  tryAttach(): Link | undefined {
    this.fd
    const handle = this.#do(
      `attach to SEC("${this.section}")`,
      () => native.programAttach(this.#handle),
      this.section,
    )
    if (handle === undefined) return undefined
    return this.#owner.own((onClose) => new Link(handle, { ...this.#subject, target: this.section }, onClose))
  }

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
    const subject = this.#testRunSubject
    return toResult(
      await attemptAsync(subject, () => native.programTestRun(...toArguments(this.#handle, options))),
    )
  }

  /** Like {@link testRun}, and waits. */
  testRunSync(options: TestRunOptions = {}): TestRunResult {
    this.fd
    return toResult(
      attempt(this.#testRunSubject, () => native.programTestRunSync(...toArguments(this.#handle, options))),
    )
  }

  get #testRunSubject(): Subject {
    return { ...this.#subject, what: `program '${this.name}': test run`, arguments: testRunArguments }
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

function toArguments(handle: ProgramHandle, options: TestRunOptions): TestRunArguments {
  const { data, context, repeat = 0, flags = 0, cpu = 0, batchSize = 0 } = options
  // A program may make its packet longer; the kernel refuses when that does not fit.
  const dataOutSize = options.dataOutSize ?? (data === undefined ? 0 : data.length + 256)
  // 'syscall' programs leave their context where it came from, and the kernel wants to hear of no other place.
  const inPlace = programTypeName(native.programType(handle)) === 'syscall'
  const contextOutSize = inPlace ? 0 : (options.contextOutSize ?? context?.length ?? 0)
  return [handle, data, dataOutSize, context, contextOutSize, repeat, flags, cpu, batchSize]
}

function toResult(result: NativeTestRunResult): TestRunResult {
  const { retval, duration, dataOut, contextOut } = result
  return { retval, duration, data: dataOut, context: contextOut }
}
