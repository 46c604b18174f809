import { type FlameGraphOptions, flameGraph } from './flame-graph.js'
import { type FoldedOptions, folded } from './folded.js'
import { pprof } from './pprof.js'
import { Profiler, type ProfilerOptions } from './profiler.js'
import type { Sample } from './sample.js'
import { type Speedscope, speedscope } from './speedscope.js'
import { type Hot, hottest } from './tree.js'

/** Options for {@link profile}. */
export interface ProfileOptions {
  /** Profiles only this process; all processes by default. */
  pid?: number
  /**
   * `cpu` takes samples of what runs. `off-cpu` measures how long threads wait, and where: for locks, disks, timers, or
   * a CPU. `cpu` by default.
   */
  kind?: 'cpu' | 'off-cpu'
  /** Samples per second on each busy CPU; 99 by default, to stay out of step with timers. */
  hz?: number
  /** How long to profile; 10 by default. */
  seconds?: number
  /** Whether to record the stack in the kernel; true by default. */
  kernel?: boolean
  /** Whether to record the stack in the process; true by default. */
  user?: boolean
  /**
   * Whether to add source lines, and inlined functions as frames of their own, for programs and libraries whose debug
   * information is found. Reading it costs time and memory; false by default.
   */
  lines?: boolean
  /** Ends the profile before `seconds` have passed. What was counted until then is returned. */
  signal?: AbortSignal
}

/** Processes change, so names are looked up while it runs. @internal */
export const collectEveryMs = 500

/**
 * Measures where threads spend their time. Stacks are counted in the kernel. (perf_event and bpf_get_stackid, Linux
 * 5.8; requires CAP_BPF and CAP_PERFMON, and CAP_SYS_PTRACE for the names of other users' processes)
 *
 * A stack goes only as deep as frame pointers lead, at most 127 frames. Compile C and C++ with
 * `-fno-omit-frame-pointer`.
 *
 * @example
 * const { samples, ...rest } = await profile({ pid, seconds: 5 })
 * @throws BpfError if it is not permitted, or the kernel does not support it
 */
export async function profile(options: ProfileOptions = {}): Promise<Profile> {
  const wanted = checked(options)
  const { kind, hz, kernel } = wanted
  const { seconds = 10, signal } = options
  const began = new Date()
  const start = performance.now()
  using profiler = await Profiler.start(wanted)
  const end = performance.now() + seconds * 1000
  while (performance.now() < end && signal?.aborted !== true) {
    await pause(Math.min(end - performance.now(), collectEveryMs), signal)
    if (performance.now() < end) await profiler.collect()
  }
  const samples = await profiler.stop()
  const took = (performance.now() - start) / 1000
  return new Profile(samples, {
    kind,
    hz: kind === 'cpu' ? hz : undefined,
    began,
    seconds: took,
    lost: profiler.lost,
    kernelProblem: kernel ? profiler.kernelProblem : undefined,
  })
}

/**
 * The options with their defaults.
 *
 * @internal
 * @throws TypeError or RangeError that says what is wrong
 */
export function checked(options: ProfileOptions): ProfilerOptions {
  const { pid, kind = 'cpu', hz = 99, seconds = 10, kernel = true, user = true, lines = false } = options
  if (pid !== undefined && (!Number.isInteger(pid) || pid <= 0))
    throw new TypeError(`pid is not a process id: ${pid}`)
  if (kind !== 'cpu' && kind !== 'off-cpu')
    throw new TypeError(`kind is '${kind}'; it must be cpu or off-cpu`)
  if (!(Number.isInteger(hz) && hz > 0 && hz <= 10_000))
    throw new RangeError(`hz is ${hz}, and not a whole number from 1 to 10000`)
  if (!(seconds > 0 && seconds <= 86_400))
    throw new RangeError(`seconds is ${seconds}, and not from 0 to 86400`)
  if (!kernel && !user) throw new TypeError('kernel and user cannot both be false')
  return { pid, kind, hz, kernel, user, lines }
}

/** Waits, but no longer than until the signal is aborted. @internal */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, Math.max(ms, 0))
    signal?.addEventListener('abort', finish)
    if (signal?.aborted === true) finish()
  })
}

/** What a {@link Profile} says about itself. */
export interface ProfileInfo {
  readonly kind: 'cpu' | 'off-cpu'
  /** Samples a second on each busy CPU; `undefined` for time that threads waited. */
  readonly hz: number | undefined
  readonly began: Date
  readonly seconds: number
  /** What is missing because the maps in the kernel were full. */
  readonly lost: { readonly samples: number; readonly stacks: number }
  /** Why frames of the kernel have no names. */
  readonly kernelProblem: string | undefined
}

/** Stacks, and how often each of them was seen or how long it lasted. */
export class Profile {
  readonly samples: readonly Sample[]
  readonly info: ProfileInfo

  constructor(samples: readonly Sample[], info: ProfileInfo) {
    this.samples = samples
    this.info = info
  }

  /** The number of samples, or nanoseconds. */
  get total(): number {
    return this.samples.reduce((sum, { value }) => sum + value, 0)
  }

  /** The functions in which most was spent, not counting what they called; the hottest one comes first. */
  hottest(): Hot[] {
    return hottest(this.samples)
  }

  /** Text with one line per stack, `comm;outermost;...;innermost value`, as flamegraph.pl and other tools read it. */
  folded(options?: FoldedOptions): string {
    return folded(this.samples, options)
  }

  /** The format of pprof, which `go tool pprof`, Pyroscope, Parca and others read: compressed with gzip. */
  pprof(): Uint8Array {
    const { hz, began, seconds } = this.info
    return pprof(this.samples, {
      type: hz === undefined ? ['off-cpu', 'nanoseconds'] : ['samples', 'count'],
      ...(hz !== undefined && { period: { type: ['cpu', 'nanoseconds'], value: Math.round(1e9 / hz) } }),
      began,
      seconds,
    })
  }

  /** An object for https://www.speedscope.app, to be written as JSON. */
  speedscope(): Speedscope {
    const unit = this.info.kind === 'cpu' ? 'none' : 'nanoseconds'
    return speedscope(this.samples, { title: `${this.info.kind} ${this.info.began.toISOString()}`, unit })
  }

  /**
   * A flame graph: a single HTML page, which needs no other files and no network. With `compareTo`, colors show what
   * has grown and what has shrunk since an earlier profile.
   */
  flameGraph(options?: FlameGraphOptions): string {
    return flameGraph(this.samples, this.info, options)
  }
}
