import { setFlagsFromString } from 'node:v8'

/** What {@link enableJitNames} was able to turn on. */
export interface JitNames {
  /**
   * Whether the names of the main thread's functions are written: only if Node.js was started with `--perf-basic-prof`.
   */
  readonly mainThread: boolean
  /** Whether the names of functions are written in Workers that start from now on: false in Bun and Deno. */
  readonly workers: boolean
}

/**
 * Makes V8 write the names of this process's JavaScript functions to /tmp/perf-PID.map, which is where stacks get their
 * names from. At run time, this works only for Workers that start later. For the main thread, V8 decides at startup:
 * start Node.js with `--perf-basic-prof --interpreted-frames-native-stack`, on the command line or in NODE_OPTIONS. The
 * file is not deleted automatically.
 *
 * The file grows with every function that is compiled. It is overwritten if a Worker starts while no other one is
 * running. (v8.setFlagsFromString)
 */
export function enableJitNames(): JitNames {
  const { bun, deno } = process.versions as { bun?: string; deno?: string }
  if (bun !== undefined || deno !== undefined) return { mainThread: false, workers: false }
  setFlagsFromString('--perf-basic-prof')
  setFlagsFromString('--interpreted-frames-native-stack')
  const flags = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`
  return { mainThread: /--perf[-_]basic[-_]prof\b(?![-_])/.test(flags), workers: true }
}
