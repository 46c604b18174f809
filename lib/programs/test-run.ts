import type {
  TestRunResult as NativeTestRunResult,
  ProgramHandle,
  TestRunArguments,
} from '../../types/binding.js'
import { ownBytes } from '../btf/bytes.js'
import { attempt, attemptAsync } from '../errors/attempt.js'
import type { Subject } from '../errors/explain.js'
import type { LinkSubject } from '../links/attachment.js'
import { native } from '../native/binding.js'
import { programTypeName } from '../native/type-names.js'

export interface TestRunOptions {
  /** Packet data; socket and XDP programs want 14 bytes at least. */
  data?: Uint8Array
  /** Room in bytes for the packet that the program leaves; the length of `data` and 256 by default, none for live frames. */
  dataOutSize?: number
  /** The context, as the kernel defines it for the program's type. */
  context?: Uint8Array
  /**
   * Room in bytes for the context that the program leaves. By default the length of `context`, and 0 where the kernel returns no context: for raw
   * tracepoint and `syscall` programs and for live frames.
   */
  contextOutSize?: number
  /** How often it runs; once by default. `duration` is the average. */
  repeat?: number
  /** `BPF_F_TEST_*` of linux/bpf.h: BPF_F_TEST_RUN_ON_CPU is 1 (Linux 5.10), BPF_F_TEST_XDP_LIVE_FRAMES 2 (5.18). */
  flags?: number
  /** The CPU for raw tracepoint programs with BPF_F_TEST_RUN_ON_CPU. */
  cpu?: number
  /** Frames at a time for XDP with BPF_F_TEST_XDP_LIVE_FRAMES; 64 by default, 256 at most. */
  batchSize?: number
}

export interface TestRunResult {
  /** What the program returned. */
  retval: number
  /** Nanoseconds a run, on average. */
  duration: number
  /** The packet as the program left it. */
  data: Uint8Array
  /** The context as the program left it; without `contextOutSize` as long as the one that was given. */
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

/** Runs a program on libuv's pool. @internal */
export async function testRun(
  handle: ProgramHandle,
  subject: LinkSubject,
  options: TestRunOptions,
): Promise<TestRunResult> {
  const result = await attemptAsync(explained(subject), () =>
    native.programTestRun(...toArguments(handle, options)),
  )
  return toResult(options, result)
}

/** @internal */
export function testRunSync(
  handle: ProgramHandle,
  subject: LinkSubject,
  options: TestRunOptions,
): TestRunResult {
  const result = attempt(explained(subject), () => native.programTestRunSync(...toArguments(handle, options)))
  return toResult(options, result)
}

function explained(subject: LinkSubject): Subject {
  return { ...subject, what: `program '${subject.program}': test run`, arguments: testRunArguments }
}

const BPF_F_TEST_XDP_LIVE_FRAMES = 2

function toArguments(handle: ProgramHandle, options: TestRunOptions): TestRunArguments {
  const { data, context, repeat = 0, flags = 0, cpu = 0, batchSize = 0 } = options
  // Live frames go on to where the program sends them; nothing comes back.
  const isGone = (flags & BPF_F_TEST_XDP_LIVE_FRAMES) !== 0
  // A program may make its packet longer; the kernel refuses when that does not fit.
  const dataOutSize = options.dataOutSize ?? (data === undefined || isGone ? 0 : data.length + 256)
  const type = programTypeName(native.programType(handle))
  // 'syscall' programs change their context in place, and the kernel refuses a second buffer.
  const inPlace = type === 'syscall'
  const returnsContext = !isGone && !type.startsWith('raw_tracepoint')
  const contextOutSize = inPlace
    ? 0
    : (options.contextOutSize ?? (returnsContext ? (context?.length ?? 0) : 0))
  return [handle, data, dataOutSize, context, contextOutSize, repeat, flags, cpu, batchSize]
}

function toResult(options: TestRunOptions, result: NativeTestRunResult): TestRunResult {
  const { retval, duration, dataOut, contextOut } = result
  return { retval, duration, data: ownBytes(dataOut), context: atFullLength(options, ownBytes(contextOut)) }
}

// An older kernel's structure may be shorter than that of the program's types; it takes the rest when that is zero, and gives nothing
// back for it.
function atFullLength({ context, contextOutSize }: TestRunOptions, left: Uint8Array): Uint8Array {
  if (context === undefined || contextOutSize !== undefined || left.length === 0) return left
  if (left.length >= context.length) return left
  const full = new Uint8Array(context.length)
  full.set(left)
  return full
}
