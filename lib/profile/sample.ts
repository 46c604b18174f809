import type { Frame } from '../symbols/frame.js'

/** A stack, and how often it was seen or how long it lasted. */
export interface Sample {
  readonly pid: number
  /** The name of the thread, at most 15 characters. */
  readonly comm: string
  /**
   * The innermost first: of the kernel, and then of the process. With `lines`, inlined functions are frames of their own
   * before the function that contains their code.
   */
  readonly frames: readonly Frame[]
  /** The number of samples, or nanoseconds for time that threads waited. */
  readonly value: number
}

/** A stack of the kernel without our own program and its callers, which come first at a tracepoint. */
export function withoutProgram(frames: readonly Frame[]): readonly Frame[] {
  const first = frames.findIndex(
    ({ kind, name }) => kind !== 'bpf' && !/^(bpf_trace_run|__bpf_trace_|__traceiter_)/.test(name ?? ''),
  )
  return first < 0 ? frames : frames.slice(first)
}

/** What a frame is called in pictures: the function, or in brackets the file that it is somewhere in. */
export function label({ name, module }: Frame): string {
  if (name !== undefined) return name
  if (module.startsWith('[')) return module
  return `[${module.slice(module.lastIndexOf('/') + 1)}]`
}
