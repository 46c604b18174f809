import type { LinkHandle } from '../types/binding.js'
import { native } from './binding.js'
import { attempt } from './call.js'
import type { Subject } from './explain.js'
import { type BpfMap, handleOfMap } from './map.js'
import { type AttachType, attachTypeName, type LinkType, linkTypeName } from './names.js'
import { handleOfProgram, type Program } from './program.js'

/** What the kernel says of a link. Which of the optional members are there depends on `type`. */
export interface LinkInfo {
  type: LinkType
  id: number
  programId: number
  /** Tracing, cgroup, netns, TCX, netkit, sockmap. */
  attachType?: AttachType
  /** Raw tracepoint: its name. Iterator: the target's name. */
  name?: string
  /** Tracing: the program or BTF object attached to, and the type in it. */
  targetObjectId?: number
  targetBtfId?: number
  cgroupId?: bigint
  netnsInode?: number
  /** XDP, TCX, netkit. */
  ifindex?: number
  /** Netfilter. */
  protocolFamily?: number
  hook?: number
  priority?: number
  /** struct_ops, iterator over a map, sockmap. */
  mapId?: number
}

/**
 * A program's attachment to a hook. It holds until it's closed, or the process or Worker ends: garbage collection never
 * detaches. A pinned link outlives the process.
 */
export class Link implements Disposable {
  readonly #handle: LinkHandle
  readonly #subject: Omit<Subject, 'what'>
  #closed = false
  /** Called once when the link is closed. */
  #onClose: (() => void) | undefined

  /** Use {@link Program.attach} or {@link Link.open}. @internal */
  constructor(handle: LinkHandle, subject: Omit<Subject, 'what'>, onClose?: () => void) {
    this.#handle = handle
    this.#subject = subject
    this.#onClose = onClose
  }

  /** Opens a pinned link. (`bpf_link__open`, Linux 5.7) */
  static open(path: string): Link {
    const subject = { target: path }
    return new Link(
      attempt({ ...subject, what: `open the pinned link ${path}` }, () => native.linkOpen(path)),
      subject,
    )
  }

  /** The program's name, where this process attached it. */
  get program(): string | undefined {
    return this.#subject.program
  }

  /** The file descriptor; the link owns it. (`bpf_link__fd`) */
  get fd(): number {
    return this.#do('read the fd', () => native.linkFd(this.#handle))
  }

  /** Where the link is pinned. (`bpf_link__pin_path`) */
  get pinPath(): string | undefined {
    return this.#do('read the pin path', () => native.linkPinPath(this.#handle))
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Detaches and leaves the link open, an empty shell. Works for whoever holds the link, also from a pin.
   * (`bpf_link__detach`, Linux 5.9; only kernel-side links know it)
   */
  detach(): void {
    this.#do('detach', () => native.linkDetach(this.#handle))
  }

  /** Makes `close` leave the program attached: to what is pinned, or forever for hooks without kernel-side links. (`bpf_link__disconnect`) */
  disconnect(): void {
    this.#do('disconnect', () => native.linkDisconnect(this.#handle))
  }

  /** Pins the link into a BPF file system: it stays when the process ends. (`bpf_link__pin`, Linux 5.7) */
  pin(path: string): void {
    this.#do(`pin to ${path}`, () => native.linkPin(this.#handle, path))
  }

  /** Removes the pin. (`bpf_link__unpin`) */
  unpin(): void {
    this.#do('unpin', () => native.linkUnpin(this.#handle))
  }

  /** Puts a program of the same type in the place of the attached one, atomically. (`bpf_link__update_program`, Linux 5.7) */
  update(program: Program): void {
    this.#do(`update to program '${program.name}'`, () =>
      native.linkUpdateProgram(this.#handle, handleOfProgram(program)),
    )
  }

  /** The same for struct_ops. (`bpf_link__update_map`, Linux 6.4) */
  updateMap(map: BpfMap<unknown, unknown>): void {
    this.#do(`update to map '${map.name}'`, () => native.linkUpdateMap(this.#handle, handleOfMap(map)))
  }

  /** What the kernel says of it. (`bpf_link_get_info_by_fd`, Linux 5.8) */
  info(): LinkInfo {
    const { type, attachType, ...rest } = this.#do('read the info', () => native.linkInfo(this.#handle))
    const info: LinkInfo = { ...rest, type: linkTypeName(type) }
    if (attachType !== undefined) info.attachType = attachTypeName(attachType)
    return info
  }

  /** Detaches, unless pinned or disconnected. Closing twice is fine. (`bpf_link__destroy`) */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    native.linkClose(this.#handle)
    this.#onClose?.()
    this.#onClose = undefined
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #do<T>(what: string, call: () => T): T {
    const { program } = this.#subject
    const link = program === undefined ? 'link' : `link of program '${program}'`
    return attempt({ ...this.#subject, what: `${link}: ${what}` }, call)
  }
}
