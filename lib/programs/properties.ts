import type { ProgramHandle } from '../../types/binding.js'
import { refusalOf } from '../attach/refusal.js'
import { isBytes, ownBytes } from '../btf/bytes.js'
import type { BtfTypes } from '../btf/parse.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'
import { readStats, type VerifierStats } from '../errors/verifier-log.js'
import type { Dispatcher, Owner } from '../links/attachment.js'
import { capabilitiesFor } from '../machine/capabilities.js'
import { tooOldFor } from '../machine/kernel-version.js'
import { native } from '../native/binding.js'
import { programHandles, registry } from '../native/handles.js'
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
import { instructionMoves } from './instruction-moves.js'
import type { Program } from './program.js'

/** What a program needs from its object. @internal */
export interface ProgramOwner extends Owner {
  /** @param what - the operation, for the error @throws BpfError ERR_BPF_STATE if the object is not prepared or is loaded */
  expectPrepared(what: string): void
  /** Loads a dispatcher for {@link Program.replaceable}. */
  dispatch(section: string, prepare: (dispatcher: Program) => void): Dispatcher
  /** Missing if the program is closed with its object. */
  close?(): void
  /** Loads its object; missing if it has none. */
  load?(): Promise<void>
  /** See {@link BpfObject.prepare}; missing if it has no object. */
  prepare?(): Promise<void>
  /** The types in its object's BTF, if there are any. */
  types?(): BtfTypes | undefined
}

/** What programs need from their object. @internal */
export const programOwners = registry<ProgramOwner>('program is not a Program of libbpf-node')

/** The number of bytes to read at a time. The kernel keeps at most 100,000. */
const streamChunk = 1 << 16

type AttachTarget = readonly [name: string, fd: number]

const known = registry<{ subject: Omit<Subject, 'what'>; attachTarget: AttachTarget | undefined }>(
  'program is not a Program of libbpf-node',
)

/**
 * The properties of a program, in its object and in the kernel. {@link Program} adds the methods that attach and run
 * it.
 */
export abstract class ProgramProperties implements Disposable {
  readonly #handle: ProgramHandle
  readonly #owner: ProgramOwner
  /** The name of the C function. (`bpf_program__name`) */
  readonly name: string
  /** The name of the section, as in SEC(). (`bpf_program__section_name`) */
  readonly section: string
  #replaceable = false
  /** The arguments of {@link setAttachTarget}, which libbpf cannot be asked for. */
  #attachTarget: AttachTarget | undefined

  static {
    programOwners.register((program) => (#handle in program ? program.#owner : undefined))
    programHandles.register((program) => (#handle in program ? program.#handle : undefined))
    known.register((program) =>
      #handle in program ? { subject: program.#subject, attachTarget: program.#attachTarget } : undefined,
    )
  }

  /** @internal */
  constructor(handle: ProgramHandle, owner: ProgramOwner) {
    this.#handle = handle
    this.#owner = owner
    this.name = native.programName(handle)
    this.section = native.programSectionName(handle)
  }

  /**
   * The type of the program. It follows from the section's name unless you set it before load. (`bpf_program__type`,
   * `bpf_program__set_type`)
   */
  get type(): ProgramType {
    return programTypeName(doWith(this, 'read the type', () => native.programType(this.#handle)))
  }
  set type(type: ProgramType) {
    const number = programTypeNumber(type)
    doWith(this, `set the type to ${type}`, () => native.programSetType(this.#handle, number))
  }

  /**
   * What the program is meant to be attached to. Set it before load. (`bpf_program__expected_attach_type`,
   * `bpf_program__set_expected_attach_type`)
   */
  get expectedAttachType(): AttachType {
    return attachTypeName(
      doWith(this, 'read the expected attach type', () => native.programExpectedAttachType(this.#handle)),
    )
  }
  set expectedAttachType(type: AttachType) {
    const number = attachTypeNumber(type)
    doWith(this, `set the expected attach type to ${type}`, () =>
      native.programSetExpectedAttachType(this.#handle, number),
    )
  }

  /**
   * The flags for loading, `BPF_F_*` of linux/bpf.h. Set them before load. (`bpf_program__flags`,
   * `bpf_program__set_flags`)
   */
  get flags(): number {
    return doWith(this, 'read the flags', () => native.programFlags(this.#handle))
  }
  set flags(flags: number) {
    doWith(this, 'set the flags', () => native.programSetFlags(this.#handle, flags))
  }

  /**
   * Whether {@link BpfObject.load} loads the program. The default is false if the section's name begins with '?', and
   * true otherwise. (`bpf_program__autoload`, `bpf_program__set_autoload`)
   */
  get autoload(): boolean {
    return doWith(this, 'read autoload', () => native.programAutoload(this.#handle))
  }
  set autoload(on: boolean) {
    doWith(this, 'set autoload', () => native.programSetAutoload(this.#handle, on))
  }

  /**
   * Whether {@link BpfObject.attach} attaches the program. (`bpf_program__autoattach`, `bpf_program__set_autoattach`)
   */
  get autoattach(): boolean {
    return doWith(this, 'read autoattach', () => native.programAutoattach(this.#handle))
  }
  set autoattach(on: boolean) {
    doWith(this, 'set autoattach', () => native.programSetAutoattach(this.#handle, on))
  }

  /**
   * What the verifier logs: 1 for branches, 2 for every instruction, 4 for statistics. Add them up.
   * (`bpf_program__log_level`, `bpf_program__set_log_level`)
   */
  get logLevel(): number {
    return doWith(this, 'read the log level', () => native.programLogLevel(this.#handle))
  }
  set logLevel(level: number) {
    doWith(this, 'set the log level', () => native.programSetLogLevel(this.#handle, level))
  }

  /**
   * What the verifier logged about the program while {@link BpfObject.load} loaded it; '' unless {@link logLevel} was
   * set. If it was rejected, the log is in {@link VerifierError.verifierLog}; with {@link OpenOptions.kernelLogSize} it
   * is here, too. (`bpf_program__log_buf`)
   */
  get verifierLog(): string {
    return doWith(this, 'read the log', () => native.programVerifierLog(this.#handle))
  }

  /**
   * How much work it was for the verifier to check the program, according to the log; `undefined` unless
   * {@link logLevel} was set. Level 4 logs nothing else, and includes the stack and the time. (Linux 5.2)
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
    doWith(this, 'set the ifindex', () => native.programSetIfindex(this.#handle, ifindex))
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
        doWith(this, `set the attach target to ${name}`, set, name)
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
   * hook. For kprobes and tracepoints, it only checks that the target exists; for other types, that the kernel knows
   * the type. Nothing is checked for freplace and struct_ops. The program's own instructions are never checked. Finding
   * functions of kernel modules for fentry, fexit and fmod_ret requires CAP_SYS_ADMIN (Linux 5.11).
   */
  refusal(): BpfError | undefined {
    return refusalOf({
      name: this.name,
      section: this.section,
      type: this.type,
      attachType: native.programExpectedAttachType(this.#handle),
      target: this.#attachTarget?.[1] === 0 ? this.#attachTarget[0] : undefined,
      subject: subjectOf(this),
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
   * subprograms. For a program without an object, it counts the instructions after the verifier has rewritten them.
   * (`bpf_program__insn_cnt`)
   */
  get instructionCount(): number {
    if (this.#owner.close !== undefined) return this.info().xlatedSize / 8
    return doWith(this, 'count the instructions', () => native.programInsnCount(this.#handle))
  }

  /**
   * The instructions, 8 bytes each; once the object is prepared, those of the program's functions are included. Reading
   * them gives a copy. For a program without an object, they are the instructions after the verifier has rewritten
   * them, or empty if the kernel hides them from this process.
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
      return ownBytes(doWith(this, 'read the instructions', () => native.programDump(fd)).xlated)
    }
    return ownBytes(doWith(this, 'read the instructions', () => native.programInsns(this.#handle)))
  }
  set instructions(bytes: Uint8Array) {
    this.#owner.expectPrepared(`set the instructions of program '${this.name}' of`)
    // Other arguments are refused below.
    const isCode = isBytes(bytes) && bytes.length % 8 === 0
    const moves = isCode ? instructionMoves(this.instructions, bytes) : new Uint32Array()
    doWith(this, 'set the instructions', () =>
      native.programSetInsns(this.#handle, bytes, new Uint8Array(moves.buffer)),
    )
  }

  /** Whether the program is in the kernel. */
  get loaded(): boolean {
    return doWith(this, 'look whether it is loaded', () => native.programFd(this.#handle)) >= 0
  }

  /** The file descriptor. The object owns it. (`bpf_program__fd`) @throws BpfError ERR_BPF_STATE before load */
  get fd(): number {
    const fd = doWith(this, 'read the fd', () => native.programFd(this.#handle))
    if (fd >= 0) return fd
    throw new BpfError(
      `program '${this.name}' is not in the kernel: load the object first, with autoload on`,
      {
        ...subjectOf(this),
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
    const { type, ...rest } = doWith(this, 'read the info', () => native.programInfo(this.#handle))
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
    return doWith(this, 'read the instructions', () => dumpProgramFd(info, fd))
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
    const subject = {
      ...subjectOf(this),
      what: `program '${this.name}': read ${stream}`,
      reason: () => since,
    }
    const chunks: Uint8Array[] = []
    for (;;) {
      const chunk = attempt(subject, () => native.programStreamRead(fd, number, streamChunk))
      if (chunk.length === 0) return Buffer.concat(chunks).toString()
      chunks.push(chunk)
    }
  }

  get #subject(): Omit<Subject, 'what'> {
    return {
      object: this.#owner.name,
      program: this.name,
      capabilities: () => capabilitiesFor([programTypeName(native.programType(this.#handle))]),
    }
  }

  abstract close(): void

  abstract [Symbol.dispose](): void
}

/** Makes a native call about a program. @internal */
export function doWith<T>(program: ProgramProperties, what: string, call: () => T, target?: string): T {
  return attempt({ ...subjectOf(program), target, what: `program '${program.name}': ${what}` }, call)
}

/** What errors say about a program. @internal */
export const subjectOf = (program: ProgramProperties): Omit<Subject, 'what'> => known.of(program).subject

/** The arguments of {@link Program.setAttachTarget}. @internal */
export const attachTargetOf = (program: ProgramProperties): AttachTarget | undefined =>
  known.of(program).attachTarget
