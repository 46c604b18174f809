/**
 * The contract between lib/ and binding/: every native function, and nothing else.
 *
 * These rules apply to all of them:
 * - A handle is opaque and has a kind. A handle of another kind, or any other value, throws a TypeError. A closed
 *   handle throws an error with the `code` ERR_BPF_CLOSED, and one whose object is loading on another thread,
 *   ERR_BPF_BUSY.
 * - A call that fails in libbpf or the kernel throws a NativeError. Functions that return a Promise reject with it.
 * - A `path` or `name` is UTF-8 without NUL. Sizes are in bytes. Flags are the kernel's numbers, passed on as they are.
 * - File descriptors that are returned stay owned by the native side, unless a function says otherwise.
 * - `Uint8Array`s that are passed in are only read or written during the call, unless a function says otherwise.
 */

import type { AttachBinding } from './binding/attach.js'
import type { BtfBinding } from './binding/btf.js'
import type { EventsBinding } from './binding/events.js'
import type { KernelBinding } from './binding/kernel.js'
import type { LinkBinding } from './binding/link.js'
import type { MapBinding } from './binding/map.js'
import type { ObjectBinding } from './binding/object.js'
import type { ProgramBinding } from './binding/program.js'
import type { XdpBinding } from './binding/xdp.js'

export type * from './binding/attach.js'
export type * from './binding/btf.js'
export type * from './binding/events.js'
export type * from './binding/handles.js'
export type * from './binding/kernel.js'
export type * from './binding/link.js'
export type * from './binding/map.js'
export type * from './binding/object.js'
export type * from './binding/program.js'
export type * from './binding/xdp.js'

export interface Binding
  extends KernelBinding,
    ObjectBinding,
    ProgramBinding,
    AttachBinding,
    MapBinding,
    LinkBinding,
    EventsBinding,
    XdpBinding,
    BtfBinding {}
