import type { Link } from '../links/link.js'
import type { BpfMap } from '../maps/map.js'
import type { Program } from '../programs/program.js'
import type { Globals } from './globals.js'
import type { StructOps } from './struct-ops.js'

/**
 * What an object holds, for the type checker: the type parameter of {@link BpfObject}. Nothing of it is looked at when the program runs, so it is
 * the caller's word; `libbpf-node gen` writes one that is true. What is left out is as without a shape.
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
  /** The programs' names, as a union of literals. */
  programs?: string
  /** The maps by name, each a `BpfMap` of its types of keys and values. */
  maps?: object
  /** The types of records, by the name of the ring buffer or perf event array that they come through. */
  records?: object
  /** Variables by name, for each of these sections. */
  rodata?: object
  data?: object
  bss?: object
  kconfig?: object
  /** The same for other sections, by the section's name: `{ '.data.custom': { limit: number } }`. */
  sections?: object
  /** The struct_ops maps' members by the map's name; functions are `Program | undefined`. */
  structOps?: object
}

type NameIn<T> = Extract<keyof T, string>

/** A program's name, whatever it is where the shape names none. */
export type ProgramName<S extends Shape> = S extends { programs: infer P extends string } ? P : string

/** The name of a map whose types the shape knows. */
export type MapName<S extends Shape> = S extends { maps: infer M extends object } ? NameIn<M> : never

/** The name of any other map: of a section, where the shape names maps. */
export type OtherMapName<S extends Shape> = S extends { maps: object } ? `.${string}` : string

export type MapOf<S extends Shape, N extends string> = S extends { maps: infer M extends object }
  ? N extends keyof M
    ? M[N]
    : never
  : BpfMap<unknown, unknown>

/** The name of a map whose records' type the shape knows. */
export type RecordName<S extends Shape> = S extends { records: infer R extends object } ? NameIn<R> : never

export type RecordOf<S extends Shape, N extends string> = S extends { records: infer R extends object }
  ? N extends keyof R
    ? R[N]
    : never
  : unknown

/** The variables of one of the sections that have their own property. */
export type SectionOf<S extends Shape, N extends 'rodata' | 'data' | 'bss' | 'kconfig'> =
  S extends Record<N, infer G extends object> ? G : Globals

export type SectionName<S extends Shape> = S extends { sections: infer T extends object } ? NameIn<T> : never

export type OtherSectionOf<S extends Shape, N extends string> = S extends { sections: infer T extends object }
  ? N extends keyof T
    ? T[N]
    : never
  : Globals

export type StructOpsOf<S extends Shape> = S extends { structOps: infer T extends object }
  ? T
  : Readonly<Record<string, StructOps>>

/** Programs by name; those that the shape names are properties, too. */
export type Programs<S extends Shape> = ReadonlyMap<string, Program> &
  (S extends { programs: infer P extends string }
    ? { readonly [N in Exclude<P, keyof ReadonlyMap<string, Program>>]: Program }
    : unknown)

/** Maps by name; those that the shape names are properties, too. */
export type Maps<S extends Shape> = ReadonlyMap<string, BpfMap<unknown, unknown>> &
  (S extends { maps: infer M extends object }
    ? { readonly [N in Exclude<keyof M, keyof ReadonlyMap<string, unknown>>]: M[N] }
    : unknown)

/** The links that are open; by the name of a program or struct_ops map the last one that was made of it. */
export type Links<S extends Shape> = ReadonlySet<Link> &
  (S extends { programs: infer P extends string }
    ? { readonly [N in Exclude<P, keyof ReadonlySet<Link>>]: Link | undefined }
    : unknown) &
  (S extends { structOps: infer T extends object }
    ? { readonly [N in Exclude<keyof T, keyof ReadonlySet<Link>>]: Link | undefined }
    : unknown)
