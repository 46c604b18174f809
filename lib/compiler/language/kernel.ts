// What is known of the kernel's own types. `npx libbpf-node types` adds to these by declaration merging. Until it has,
// every name is accepted here, and the compiler checks it.
import type { Kernel } from './types.js'

/** The kernel's structs and unions: `kernel.task_struct`. `npx libbpf-node types` declares them. */
export declare namespace kernel {}

/** The arguments of tracepoints, by name. */
// biome-ignore lint/suspicious/noEmptyInterface: it is added to
export interface Tracepoints {}

/** The arguments of tracepoints whose first one can be written, by name. */
// biome-ignore lint/suspicious/noEmptyInterface: it is added to
export interface WritableTracepoints {}

/** What tracepoints record, by category and name: `'sched/sched_switch'`. */
// biome-ignore lint/suspicious/noEmptyInterface: it is added to
export interface TracepointRecords {}

/** The arguments and the result of the kernel's functions, by name. */
// biome-ignore lint/suspicious/noEmptyInterface: it is added to
export interface KernelFunctions {}

/** The arguments and the result of security hooks, by name. */
// biome-ignore lint/suspicious/noEmptyInterface: it is added to
export interface LsmHooks {}

/** The contexts of iterators, by name. */
// biome-ignore lint/suspicious/noEmptyInterface: it is added to
export interface Iterators {}

/** The kernel's structs by name, for helpers that return them. */
// biome-ignore lint/suspicious/noEmptyInterface: it is added to
export interface Structs {}

/** The members of the structs whose functions are programs (`structOps`), by the names of the structs. */
// biome-ignore lint/suspicious/noEmptyInterface: it is added to
export interface StructOps {}

type WritableMembers<T> = { -readonly [K in keyof T]: T[K] }

/** One of the kernel's structs that a struct_ops program may write to, including the structs in it. */
export type Writable<T> = {
  -readonly [K in keyof T]: T[K] extends number | string ? T[K] : WritableMembers<T[K]>
}

/** The members of a struct of functions: functions, numbers and text. */
export type OpsMembers<N> = N extends keyof StructOps
  ? Partial<StructOps[N]>
  : { readonly [member: string]: number | string | ((...args: Kernel[]) => number | null | undefined) }

/** The kernel's functions that programs call through `kfunc`, by name. */
// biome-ignore lint/suspicious/noEmptyInterface: it is added to
export interface Kfuncs {}

/** The kernel's iterators that programs go through with `each`, by name. */
// biome-ignore lint/suspicious/noEmptyInterface: it is added to
export interface KernelIterators {}

/** Has the member `all` if everything was declared, so that any other name is a mistake. */
// biome-ignore lint/suspicious/noEmptyInterface: it is added to
export interface Declared {}

/** The names of hooks. Names that are not declared are accepted too, unless all are declared. */
export type NameIn<Known> = Declared extends { all: true }
  ? keyof Known & string
  : (keyof Known & string) | (string & {})

/** A tuple of arguments, or any arguments where none are declared. */
export type Listed<T> = T extends readonly unknown[] ? T : Kernel[]

/** One of the kernel's structs, by its name. */
export type Struct<N> = N extends keyof Structs ? Structs[N] : Kernel

/** The arguments of a tracepoint. */
export type TracepointArguments<N> = N extends keyof Tracepoints ? Listed<Tracepoints[N]> : Kernel[]

/** The arguments of a tracepoint whose first one can be written. */
export type WritableArguments<N> = N extends keyof WritableTracepoints
  ? Listed<WritableTracepoints[N]>
  : Kernel[]

/** What a tracepoint records. */
export type TracepointRecord<N> = N extends keyof TracepointRecords ? TracepointRecords[N] : Kernel

/** The arguments of a function. */
export type ArgumentsIn<Known, N> = N extends keyof Known
  ? Known[N] extends { arguments: infer A }
    ? Listed<A>
    : Kernel[]
  : Kernel[]

/** The result of a function. */
export type ResultIn<Known, N> = N extends keyof Known
  ? Known[N] extends { result: infer R }
    ? R
    : Kernel
  : Kernel

/** The arguments of a function, followed by its result. */
export type ArgumentsAndResultIn<Known, N> = N extends keyof Known
  ? [...ArgumentsIn<Known, N>, ResultIn<Known, N>]
  : Kernel[]

/** The context of an iterator. */
export type IteratorContext<N> = N extends keyof Iterators ? Iterators[N] : Kernel
