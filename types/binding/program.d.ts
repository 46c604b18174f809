// Programs.
import type { LinkHandle, MapHandle, ProgramHandle } from './handles.js'

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

export interface ProgramBinding {
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
   * @param moves - the position of each slot of the old instructions among the new ones, as 32-bit numbers
   */
  programSetInsns(program: ProgramHandle, instructions: Uint8Array, moves: Uint8Array): void
  /** '' if there is none. A long one is cut off at its beginning, like that of longLogText. */
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
}
