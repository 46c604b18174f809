import { word } from './word.js'

/** An unsigned integer of 8 bits. */
export type u8 = number
/** An unsigned integer of 16 bits. */
export type u16 = number
/** An unsigned integer of 32 bits. */
export type u32 = number
/** An unsigned integer of 64 bits. In the kernel it has all of them; user space gets a bigint. */
export type u64 = number
/** A signed integer of 8 bits. */
export type s8 = number
/** A signed integer of 16 bits. */
export type s16 = number
/** A signed integer of 32 bits. */
export type s32 = number
/** A signed integer of 64 bits. */
export type s64 = number
/** An integer of 16 bits in the network's byte order. Programs read and write its value. */
export type be16 = number
/** An integer of 32 bits in the network's byte order. */
export type be32 = number
/** An integer of 64 bits in the network's byte order. */
export type be64 = number

/** Text of at most `N` bytes with the zero byte at its end: C's `char[N]`. */
export type char<N extends number> = string | { [index: number]: u8; readonly __length?: N }
/** `N` bytes. */
export type bytes<N extends number> = { [index: number]: u8; readonly __length?: N }

/** Something of the kernel's: a number, text, or a struct whose members can be read. */
export type Kernel = number & { readonly __length: never } & { readonly [member: string]: Kernel }

type Cast = (value: number) => number
/** Cuts a number off to 8 bits. */
export const u8: Cast = word('u8')
/** Cuts a number off to 16 bits. */
export const u16: Cast = word('u16')
/** Cuts a number off to 32 bits. */
export const u32: Cast = word('u32')
export const u64: Cast = word('u64')
export const s8: Cast = word('s8')
export const s16: Cast = word('s16')
export const s32: Cast = word('s32')
export const s64: Cast = word('s64')
