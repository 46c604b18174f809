import { setFlagsFromString } from 'node:v8'

/** What {@link enableJitNames} has reached. */
export interface JitNames {
  /** Whether the functions of the main thread are written: only if Node.js was started with `--perf-basic-prof`. */
  readonly mainThread: boolean
  /** Whether those of Workers are written that begin from now on: false in Bun and Deno. */
  readonly workers: boolean
}

/**
 * Lets V8 write the names of JavaScript functions of this process to /tmp/perf-PID.map, from which they get names in
 * stacks. At run time this works for Workers that begin later. V8 decides at the start for the main thread: start
 * Node.js with `--perf-basic-prof --interpreted-frames-native-stack`, on the command line or in NODE_OPTIONS. Nobody
 * deletes the file.
 *
 * The file grows with every function that is compiled. It is overwritten if a Worker begins when no other one runs.
 * (v8.setFlagsFromString)
 */
export function enableJitNames(): JitNames {
  const { bun, deno } = process.versions as { bun?: string; deno?: string }
  if (bun !== undefined || deno !== undefined) return { mainThread: false, workers: false }
  setFlagsFromString('--perf-basic-prof')
  setFlagsFromString('--interpreted-frames-native-stack')
  const flags = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`
  return { mainThread: /--perf[-_]basic[-_]prof\b(?![-_])/.test(flags), workers: true }
}
