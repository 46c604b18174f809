import { word } from './word.js'

/**
 * A number that numbers of `Bytes` bytes fit into. To tsc, results of arithmetic are plain numbers, which fit
 * everywhere.
 */
export type Sized<Bytes> = number & { readonly __bytes?: Bytes }

/** An unsigned integer of 8 bits. */
export type u8 = Sized<1>
/** An unsigned integer of 16 bits. */
export type u16 = Sized<1 | 2>
/** An unsigned integer of 32 bits. */
export type u32 = Sized<1 | 2 | 4>
/** An unsigned integer of 64 bits. Programs in the kernel use all 64; user space gets a bigint. */
export type u64 = Sized<1 | 2 | 4 | 8>
/** A signed integer of 8 bits. */
export type s8 = Sized<1>
/** A signed integer of 16 bits. */
export type s16 = Sized<1 | 2>
/** A signed integer of 32 bits. */
export type s32 = Sized<1 | 2 | 4>
/** A signed integer of 64 bits. */
export type s64 = Sized<1 | 2 | 4 | 8>
/** An integer of 16 bits in the network's byte order. Programs read and write its value. */
export type be16 = Sized<1 | 2>
/** An integer of 32 bits in the network's byte order. */
export type be32 = Sized<1 | 2 | 4>
/** An integer of 64 bits in the network's byte order. */
export type be64 = Sized<1 | 2 | 4 | 8>

/**
 * Text of at most `N` bytes with the zero byte at its end: C's `char[N]`. Without a length, as the last member of a
 * record, it is as long as the record: C's `char[]`.
 */
export type char<N extends number = number> = string | (Text & { [index: number]: u8; readonly __length?: N })
/** What text can be asked. */
interface Text {
  /** Whether it begins with a literal. */
  startsWith(beginning: string): boolean
}
/** Text in the kernel's memory: C's `char[N]`. Text that does not fit where it is assigned is cut off. */
export type KernelText<N extends number> =
  | string
  | (Text & { readonly [index: number]: u8; readonly __length?: never; readonly __of?: N })
/** Text behind a pointer: C's `const char *`. In the kernel's memory it can be read as text. It is also an address. */
export type TextPointer =
  | (string & { readonly __pointer: never })
  | (number & Text & { readonly [index: number]: u8; readonly __length?: never; readonly __bytes?: never })
/** The elements of a short array by their numbers, so that tsc knows which there are. */
type Numbered<T, N extends number, A extends T[] = []> = A['length'] extends N
  ? { [I in Exclude<keyof A, keyof []>]: T }
  : A['length'] extends 64
    ? unknown
    : Numbered<T, N, [...A, T]>
/** What arrays have in common. */
export type Elements<T, N extends number> = Numbered<T, N> & { [index: number]: T; readonly __length?: N }
/** `N` bytes. Without a length, as the last member of a record, as many as the record has: C's `unsigned char[]`. */
export type bytes<N extends number = number> = Elements<u8, N>

/** A pointer into the memory of a process, whatever it points to. */
export interface UserPointer<T = unknown> {
  readonly __to: T
}
/** Text in the memory of a process. */
type TextIn<More> =
  | (string & { readonly [index: number]: u8 })
  | (Text & { readonly [index: number]: u8; readonly __length?: never } & More)
/** What is read through a pointer into a process. It cannot be written. */
type InProcess<T> = [T] extends [number | boolean | UserPointer]
  ? T
  : [T] extends [char<infer N>]
    ? TextIn<{ readonly __of?: N }>
    : { readonly [K in keyof T]: InProcess<T[K]> }
/** What a pointer into a process has: the elements of an array, the members of a struct, or the value. */
type Behind<T> = [T] extends [number | boolean | UserPointer]
  ? { readonly value: T; readonly [index: number]: T }
  : [T] extends [char]
    ? TextIn<unknown>
    : T extends { readonly [index: number]: unknown; readonly __length?: number }
      ? InProcess<T>
      : InProcess<T> & { readonly [index: number]: InProcess<T> }
/**
 * A pointer into the memory of the running process, to a struct, text, an array, a number or another pointer: C's
 * `struct request *`. `request.next.value` reads that member, `name: request.name` copies text, and
 * `const copy: Request = request` copies the whole struct. What cannot be read is 0. (Linux 5.5)
 */
export type user<T> = UserPointer<T> & Behind<T>
/** A pointer into the memory of the running process, from an address: `user<Request>(ctx.args[0])`. */
export const user: <T>(address: number | TextPointer | UserPointer) => user<T> = word('user')

/** A value in the kernel: a number, text, or a struct whose members can be read. */
export type Kernel = number &
  Text & { readonly __length: never; readonly __bytes?: never } & {
    readonly [member: string]: Kernel
  }

/** A struct, an array or text in memory. */
export type Memory = (object & { readonly __to?: never }) | string

type Cast<T> = (value: number | bigint | boolean) => T
/** Truncates a number to 8 bits. */
export const u8: Cast<u8> = word('u8')
/** Truncates a number to 16 bits. */
export const u16: Cast<u16> = word('u16')
/** Truncates a number to 32 bits. */
export const u32: Cast<u32> = word('u32')
/** A number of 64 bits; also the address of one of the kernel's structs, or the address in a pointer into a process. */
export const u64: (value: number | bigint | boolean | object | TextPointer) => u64 = word('u64')
export const s8: Cast<s8> = word('s8')
export const s16: Cast<s16> = word('s16')
export const s32: Cast<s32> = word('s32')
export const s64: Cast<s64> = word('s64')
