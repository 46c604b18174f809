import { constants } from 'node:os'
import type {
  NativeError,
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

/** Options for {@link Program.testRun}. */
export interface TestRunOptions {
  /** The packet. Socket and XDP programs need at least 14 bytes. At most 16 MiB. */
  data?: Uint8Array
  /**
   * The size of the buffer for the resulting packet, in bytes. By default 256 more than `data` has, and 0 for live
   * frames.
   */
  dataOutSize?: number
  /** The context as the kernel defines it for the type of the program, such as a `struct __sk_buff`. */
  context?: Uint8Array
  /**
   * The size of the buffer for the resulting context, in bytes. By default the length of `context`, or 0 if the kernel
   * returns none: for raw tracepoint and `syscall` programs, and for live frames.
   */
  contextOutSize?: number
  /** The number of runs; 1 by default. */
  repeat?: number
  /**
   * `BPF_F_TEST_*` of linux/bpf.h: BPF_F_TEST_RUN_ON_CPU is 1 (Linux 5.10), BPF_F_TEST_XDP_LIVE_FRAMES is 2 (Linux
   * 5.18).
   */
  flags?: number
  /** The CPU to run on, for raw tracepoint programs with BPF_F_TEST_RUN_ON_CPU. */
  cpu?: number
  /** The number of frames per batch, for XDP with BPF_F_TEST_XDP_LIVE_FRAMES; 64 by default, at most 256. */
  batchSize?: number
}

/** The result of {@link Program.testRun}. */
export interface TestRunResult {
  /** What the program returned. */
  retval: number
  /** The average duration of a run in nanoseconds. */
  duration: number
  /** The packet after the last run. */
  data: Uint8Array
  /** The context after the last run. Without `contextOutSize` it is as long as the context that was given. */
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
  const result = await attemptAsync(explained(handle, subject, options), () =>
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
  const result = attempt(explained(handle, subject, options), () =>
    native.programTestRunSync(...toArguments(handle, options)),
  )
  return toResult(options, result)
}

function explained(handle: ProgramHandle, subject: LinkSubject, options: TestRunOptions): Subject {
  const reason = ({ errno }: NativeError): string | undefined => {
    const { data, contextOutSize = 0 } = options
    const isRaw = programTypeName(native.programType(handle)).startsWith('raw_tracepoint')
    return errno === constants.errno.EINVAL && isRaw && (data !== undefined || contextOutSize > 0)
      ? 'a raw tracepoint program has no data and returns no context; give only context, the arguments'
      : undefined
  }
  return { ...subject, what: `program '${subject.program}': test run`, arguments: testRunArguments, reason }
}

const BPF_F_TEST_XDP_LIVE_FRAMES = 2

/** More bytes than any context has. The kernel returns a whole one even if it was given only its beginning. */
const roomForContext = 1024

function toArguments(handle: ProgramHandle, options: TestRunOptions): TestRunArguments {
  const { data, context, repeat = 0, flags = 0, cpu = 0, batchSize = 0 } = options
  // Live frames are really sent where the program directs them, so nothing comes back.
  const isGone = (flags & BPF_F_TEST_XDP_LIVE_FRAMES) !== 0
  // A program can make its packet longer. The kernel fails if the result does not fit into the buffer.
  const dataOutSize = options.dataOutSize ?? (data === undefined || isGone ? 0 : data.length + 256)
  const type = programTypeName(native.programType(handle))
  // 'syscall' programs change their context in place, and the kernel refuses a second buffer.
  const inPlace = type === 'syscall'
  const returnsContext = !isGone && !type.startsWith('raw_tracepoint')
  const contextOutSize = inPlace
    ? 0
    : (options.contextOutSize ??
      (returnsContext && context !== undefined ? Math.max(context.length, roomForContext) : 0))
  return [handle, data, dataOutSize, context, contextOutSize, repeat, flags, cpu, batchSize]
}

function toResult(options: TestRunOptions, result: NativeTestRunResult): TestRunResult {
  const { retval, duration, dataOut, contextOut } = result
  return { retval, duration, data: ownBytes(dataOut), context: atFullLength(options, ownBytes(contextOut)) }
}

// The kernel's structure may be longer than the given context. In an older kernel it may be shorter: the kernel
// accepts the rest if it is zero, but does not return it.
function atFullLength({ context, contextOutSize }: TestRunOptions, left: Uint8Array): Uint8Array {
  if (context === undefined || contextOutSize !== undefined || left.length === 0) return left
  if (left.length >= context.length) return left.slice(0, context.length)
  const full = new Uint8Array(context.length)
  full.set(left)
  return full
}
