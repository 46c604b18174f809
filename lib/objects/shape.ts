import type { Link } from '../links/link.js'
import type { BpfMap } from '../maps/map.js'
import type { Program } from '../programs/program.js'
import type { Globals } from './globals.js'
import type { StructOps } from './struct-ops.js'

/**
 * Describes what an object contains, for the type checker: it is the type parameter of {@link BpfObject}. Nothing
 * checks it at run time; it is an unchecked assertion. `libbpf-node gen` generates one that is correct. Members that
 * you leave out have the same types as without a shape.
 *
 * @example
 * interface Exec {
 *   programs: 'on_exec' | 'on_exit'
 *   maps: { counts: BpfMap<number, bigint> }
 *   records: { events: { pid: number; comm: string } }
 *   rodata: { min_ns: bigint }
 * }
 * const obj = BpfObject.open<Exec>('exec.bpf.o')
 * obj.rodata.min_ns = 1_000_000n
 * obj.maps.counts.get(1)
 */
export interface Shape {
  /** The names of the programs, as a union of string literals. */
  programs?: string
  /** The maps by name, each a `BpfMap` with the types of its keys and values. */
  maps?: object
  /** The types of the records, by the name of the ring buffer or perf event array that transports them. */
  records?: object
  /** The variables of the section `.rodata` by name. The next three are the same for their sections. */
  rodata?: object
  data?: object
  bss?: object
  kconfig?: object
  /** What is in the arena: the members of its interface in TypeScript, or its variables in C. */
  arena?: object
  /** The variables of other sections, by the name of the section: `{ '.data.custom': { limit: number } }`. */
  sections?: object
  /** The members of the struct_ops maps, by the name of the map. Functions are `Program | undefined`. */
  structOps?: object
}

type NameIn<T> = Extract<keyof T, string>

/** The name of a program; any string if the shape does not list the programs. */
export type ProgramName<S extends Shape> = S extends { programs: infer P extends string } ? P : string

/** The name of a map that the shape describes. */
export type MapName<S extends Shape> = S extends { maps: infer M extends object } ? NameIn<M> : never

/** The name of any other map. If the shape describes maps, only those of sections are left. */
export type OtherMapName<S extends Shape> = S extends { maps: object } ? `.${string}` : string

/** The type of a map that the shape describes. */
export type MapOf<S extends Shape, N extends string> = S extends { maps: infer M extends object }
  ? N extends keyof M
    ? M[N]
    : never
  : BpfMap<unknown, unknown>

/** The name of a map whose records the shape describes. */
export type RecordName<S extends Shape> = S extends { records: infer R extends object } ? NameIn<R> : never

/** The type of the records that come through a map. */
export type RecordOf<S extends Shape, N extends string> = S extends { records: infer R extends object }
  ? N extends keyof R
    ? R[N]
    : never
  : unknown

/** The type of the variables in one of the sections that {@link BpfObject} has a property for. */
export type SectionOf<S extends Shape, N extends 'rodata' | 'data' | 'bss' | 'kconfig' | 'arena'> =
  S extends Record<N, infer G extends object> ? G : Globals

/** The name of another section that the shape describes. */
export type SectionName<S extends Shape> = S extends { sections: infer T extends object } ? NameIn<T> : never

/** The type of the variables in another section. */
export type OtherSectionOf<S extends Shape, N extends string> = S extends { sections: infer T extends object }
  ? N extends keyof T
    ? T[N]
    : never
  : Globals

/** The type of {@link BpfObject.structOps}. */
export type StructOpsOf<S extends Shape> = S extends { structOps: infer T extends object }
  ? T
  : Readonly<Record<string, StructOps>>

/** The programs by name. Those that the shape lists are also properties. */
export type Programs<S extends Shape> = ReadonlyMap<string, Program> &
  (S extends { programs: infer P extends string }
    ? { readonly [N in Exclude<P, keyof ReadonlyMap<string, Program>>]: Program }
    : unknown)

/** The maps by name. Those that the shape describes are also properties. */
export type Maps<S extends Shape> = ReadonlyMap<string, BpfMap<unknown, unknown>> &
  (S extends { maps: infer M extends object }
    ? { readonly [N in Exclude<keyof M, keyof ReadonlyMap<string, unknown>>]: M[N] }
    : unknown)

/** The open links. The name of a program or struct_ops map is a property with its newest link. */
export type Links<S extends Shape> = ReadonlySet<Link> &
  (S extends { programs: infer P extends string }
    ? { readonly [N in Exclude<P, keyof ReadonlySet<Link>>]: Link | undefined }
    : unknown) &
  (S extends { structOps: infer T extends object }
    ? { readonly [N in Exclude<keyof T, keyof ReadonlySet<Link>>]: Link | undefined }
    : unknown)
