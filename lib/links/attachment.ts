// What programs, maps, links and objects need to know about each other. No class is imported here, so that none of
// them has to import another.
import type { LinkHandle, ProgramHandle } from '../../types/binding.js'
import type { Subject } from '../errors/explain.js'
import { registry } from '../native/handles.js'
import type { Link } from './link.js'

/** What a link is about, for its errors. @internal */
export type LinkSubject = Omit<Subject, 'what'>

/** A native attach call returns no handle if the object was closed while the call ran. @internal */
export type Attached = LinkHandle | undefined

/** Keeps a link until it is closed, or closes it with the object. @internal */
export type Own = <L extends Link>(make: (onClose: () => void) => L) => L

/** What programs and maps need to know about the object that they belong to. @internal */
export interface Owner {
  /** The name of the object; `undefined` for a program without one. */
  readonly name: string | undefined
  readonly own: Own
  /** The descriptor of its BTF in the kernel, after load; negative if it has none. */
  btfFd(): number
}

/** A program in a hook that jumps to another one: see {@link Program.replaceable}. @internal */
export interface Dispatcher {
  readonly handle: ProgramHandle
  /** Takes effect with one system call: each event runs either the old program or the new one. */
  pointTo(programFd: number): void
  close(): void
}

/** How a link was made, to make one like it for another program. @internal */
export interface Reattach {
  dispatcher: Dispatcher | undefined
  /** Attaches another program to the same hook. */
  attach: (program: ProgramHandle) => Attached | Promise<Attached>
}

/** What the attach functions need to know about a program that is in the kernel. @internal */
export interface Attachable {
  /**
   * What goes into the hook: the program, its dispatcher, or what takes its place later. Calls read it when they are
   * made.
   */
  handle: ProgramHandle
  readonly name: string
  readonly fd: number
  /** The kernel's number for what SEC() or a setter says. */
  readonly attachType: number
  readonly subject: LinkSubject
  readonly own: Own
  /** Only for a replaceable program. */
  readonly dispatch?: (() => Dispatcher) | undefined
}

/** What a link needs to know about a struct_ops map that it is moved to. @internal */
export interface AttachableMap {
  readonly subject: LinkSubject
  /** Missing for maps without an object. */
  readonly own: Own | undefined
}

export const attachablePrograms = registry<Attachable>('program is not a Program of libbpf-node')
export const attachableMaps = registry<AttachableMap>('map is not a BpfMap of libbpf-node')
