import { statfsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname } from 'node:path'
import type { LinkHandle, NativeError } from '../../types/binding.js'
import { attempt, attemptAsync } from '../errors/attempt.js'
import { BpfError, ENOTSUPP } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'
import type { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import type { Program } from '../programs/program.js'
import {
  type Attachable,
  attachableMaps,
  attachablePrograms,
  type LinkSubject,
  type Reattach,
} from './attachment.js'
import { type LinkInfo, toLinkInfo } from './link-info.js'

/**
 * How another program came into a link's place: the kernel `updated` the link; its dispatcher was `switched`; or the new one was attached before
 * the old one was detached, and for a moment both ran at each event: they `overlapped`.
 */
export type ExchangeKind = 'updated' | 'switched' | 'overlapped'

/** Another program in a link's place, for as long as it is not sure that it stays. @internal */
export interface Exchange {
  readonly link: Link
  readonly kind: ExchangeKind
  /** Puts the old one back. */
  undo(): void
  /** Makes the link the new program's. What has to be closed for that is returned. */
  finish(): LinkHandle | undefined
}

/**
 * A program's attachment to a hook. It holds until it's closed, or the process or Worker ends: garbage collection never
 * detaches. A pinned link outlives the process.
 */
export class Link implements Disposable, AsyncDisposable {
  #handle: LinkHandle
  #subject: LinkSubject
  readonly #reattach: Reattach | undefined
  #closed = false
  /** Called once when the link is closed. */
  #onClose: (() => void) | undefined

  /** Use {@link Program.attach} or {@link Link.open}. @internal */
  constructor(handle: LinkHandle, subject: LinkSubject, onClose?: () => void, reattach?: Reattach) {
    this.#handle = handle
    this.#subject = subject
    this.#onClose = onClose
    this.#reattach = reattach
  }

  /** Opens a pinned link. (`bpf_link__open`, Linux 5.7) */
  static open(path: string): Link {
    const subject = { target: path }
    return new Link(
      attempt({ ...subject, what: `open the pinned link ${path}`, reason: whyNoLink }, () =>
        native.linkOpen(path),
      ),
      subject,
    )
  }

  /** The same. */
  static fromPin(path: string): Link {
    return Link.open(path)
  }

  /**
   * A link that has a descriptor, such as one that another process sent. (Linux 5.7)
   *
   * @param fd - it's copied, and stays the caller's
   */
  static fromFd(fd: number): Link {
    return new Link(
      attempt({ what: `take fd ${fd} for a link`, reason: whyNoLink, arguments: ['fd'] }, () =>
        native.linkFromFd(fd),
      ),
      {},
    )
  }

  /** A link of anybody's by the kernel's number for it. (`bpf_link_get_fd_by_id`, Linux 5.8; CAP_SYS_ADMIN) */
  static fromId(id: number): Link {
    return new Link(
      attempt({ what: `open link ${id}`, arguments: ['id'], capabilities: () => ['CAP_SYS_ADMIN'] }, () =>
        native.linkFromId(id),
      ),
      {},
    )
  }

  /**
   * Closes many links on libuv's pool, one after the other. The kernel takes its time with each (milliseconds for a probe), in which the event
   * loop would stand still. Nothing can be done with them from the call on.
   */
  static async closeAll(links: Iterable<Link>): Promise<void> {
    const all = [...links]
    if (!all.every((link) => link instanceof Link))
      throw new TypeError('links has something else than a Link')
    const open = all.filter((link) => !link.#closed)
    if (open.length === 0) return
    const closing = native.linkCloseAsync(open.map((link) => link.#handle))
    // After that: a dispatcher's object would close its link here and now.
    for (const link of open) link.#letGo()
    await closing
  }

  /** The program's name, where this process attached it. */
  get program(): string | undefined {
    return this.#subject.program
  }

  /** What it's attached to, where this process attached it: the function, tracepoint, interface, ... or what SEC() says. */
  get target(): string | undefined {
    return this.#subject.target
  }

  /** The file descriptor; the link owns it. -1 for what is attached without a link, on kernels that have none for it. (`bpf_link__fd`) */
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
    this.#do('detach', () => native.linkDetach(this.#handle), this.#whyNotSupported)
  }

  /** Makes `close` leave the program attached: to what is pinned, or forever for hooks without kernel-side links. (`bpf_link__disconnect`) */
  disconnect(): void {
    this.#do('disconnect', () => native.linkDisconnect(this.#handle))
  }

  /** Pins the link into a BPF file system: it stays when the process ends. (`bpf_link__pin`, Linux 5.7) */
  pin(path: string): void {
    this.#do(
      `pin to ${path}`,
      () => native.linkPin(this.#handle, path),
      (error) => (error.errno === constants.errno.EPERM ? whyNoPin(path) : this.#whyNotSupported(error)),
    )
  }

  /** Removes the pin. (`bpf_link__unpin`) */
  unpin(): void {
    this.#do('unpin', () => native.linkUnpin(this.#handle))
  }

  /**
   * Puts a program of the same type in the place of the attached one, atomically. The link is then closed with that program's object.
   * For XDP, TCX, netkit, cgroups, network namespaces, iterators, sockmaps (6.10), and what is {@link Program.replaceable}.
   * (`bpf_link__update_program`, Linux 5.7)
   */
  update(program: Program): void {
    const to = attachablePrograms.of(program)
    const dispatcher = this.#reattach?.dispatcher
    // Says so where it is not in the kernel.
    program.fd
    this.#do(
      `update to program '${program.name}'`,
      () => {
        if (dispatcher !== undefined) dispatcher.pointTo(program.fd)
        else native.linkUpdateProgram(this.#handle, to.handle)
      },
      (error) => {
        const { EINVAL } = constants.errno
        if (error.errno !== EINVAL || native.linkFd(this.#handle) < 0) return this.#whyNotSupported(error)
        return 'the program is of another type, or links of this kind keep their program'
      },
    )
    this.#moveTo(to)
  }

  /** Puts `program` in the place of `old`, by whatever way there is. @internal */
  async exchange(old: Program, program: Program): Promise<Exchange> {
    const kind = this.#reattach?.dispatcher === undefined ? 'updated' : 'switched'
    try {
      this.update(program)
      return { link: this, kind, undo: () => this.update(old), finish: () => undefined }
    } catch (error) {
      const hasNoUpdate = error instanceof BpfError && noUpdate.has(error.errno) && kind === 'updated'
      if (!hasNoUpdate || this.#reattach === undefined) throw error
      if (this.pinPath !== undefined) throw this.#refusal('it is pinned, and its kind cannot be updated')
    }
    const reattach = this.#reattach
    const to = attachablePrograms.of(program)
    const subject = {
      ...this.#subject,
      ...to.subject,
      what: `attach program '${program.name}' to ${this.target}`,
    }
    const handle = await attemptAsync(subject, async () => reattach.attach(to.handle))
    if (handle === undefined) throw this.#refusal('an object was closed meanwhile')
    return {
      link: this,
      kind: 'overlapped',
      undo: () => native.linkClose(handle),
      finish: () => {
        const before = this.#handle
        this.#handle = handle
        this.#moveTo(to)
        return before
      },
    }
  }

  /** The same for struct_ops. (`bpf_link__update_map`, Linux 6.4) */
  updateMap(map: BpfMap<unknown, unknown>): void {
    const { subject, own } = attachableMaps.of(map)
    const handle = mapHandles.of(map)
    this.#do(
      `update to map '${map.name}'`,
      () => native.linkUpdateMap(this.#handle, handle),
      ({ errno }) =>
        errno === constants.errno.EINVAL
          ? 'only links of struct_ops maps are updated so, to others of SEC(".struct_ops.link") for the same'
          : undefined,
    )
    if (own !== undefined) this.#moveTo({ subject, own })
    this.#subject = { ...subject, target: map.name }
  }

  /** {@link exchange} for struct_ops. @internal */
  exchangeMap(old: BpfMap<unknown, unknown>, map: BpfMap<unknown, unknown>): Exchange {
    this.updateMap(map)
    return { link: this, kind: 'updated', undo: () => this.updateMap(old), finish: () => undefined }
  }

  /** What the kernel says of it. (`bpf_link_get_info_by_fd`, Linux 5.8) */
  info(): LinkInfo {
    return toLinkInfo(this.#do('read the info', () => native.linkInfo(this.#handle), whyNoInfo))
  }

  /** Detaches, unless pinned or disconnected. Closing twice is fine. (`bpf_link__destroy`) */
  close(): void {
    if (this.#closed) return
    native.linkClose(this.#handle)
    this.#letGo()
  }

  /** The same on libuv's pool; see {@link Link.closeAll}. */
  closeAsync(): Promise<void> {
    return Link.closeAll([this])
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.closeAsync()
  }

  #letGo(): void {
    this.#closed = true
    this.#onClose?.()
    this.#onClose = undefined
    this.#reattach?.dispatcher?.close()
  }

  /** To the object of another program, if an object has it. */
  #moveTo({ subject, own }: Pick<Attachable, 'subject' | 'own'>): void {
    if (this.#onClose === undefined) return
    this.#onClose()
    own((onClose) => {
      this.#onClose = onClose
      return this
    })
    this.#subject = { ...subject, target: this.target }
  }

  #refusal(why: string): BpfError {
    return new BpfError(`link of program '${this.program}': exchange its program: ${why}`, {
      ...this.#subject,
      code: 'ERR_BPF_STATE',
    })
  }

  readonly #whyNotSupported = ({ errno }: NativeError): string | undefined => {
    const { EINVAL, EOPNOTSUPP, EBADF, ENOLINK } = constants.errno
    if (errno === ENOLINK)
      return 'its target (interface, cgroup, network namespace) is gone, or the link was detached'
    if (errno === EOPNOTSUPP || errno === ENOTSUPP) {
      return native.linkFd(this.#handle) < 0 ? noLink : 'links of this kind cannot do that'
    }
    return (errno === EINVAL || errno === EBADF) && native.linkFd(this.#handle) < 0 ? noLink : undefined
  }

  #do<T>(what: string, call: () => T, reason?: Subject['reason']): T {
    const { program } = this.#subject
    const link = program === undefined ? 'link' : `link of program '${program}'`
    return attempt({ ...this.#subject, what: `${link}: ${what}`, reason }, call)
  }
}

/** What kernels say of an update that a kind of link does not know. */
const noUpdate = new Set<number>([constants.errno.EINVAL, constants.errno.EOPNOTSUPP, ENOTSUPP])

function whyNoLink({ errno }: NativeError): string | undefined {
  return errno === constants.errno.EINVAL ? 'it is something else than a link' : undefined
}

const noLink =
  "the program is attached without a link of the kernel's (by a mode without, or on a kernel that has none for this)"

function whyNoInfo({ errno }: NativeError): string | undefined {
  const { EINVAL, EOPNOTSUPP } = constants.errno
  return errno === EINVAL || errno === EOPNOTSUPP ? noLink : undefined
}

/** BPF_FS_MAGIC of linux/magic.h. */
const bpffs = 0xcafe4a11

function whyNoPin(path: string): string | undefined {
  const isBpffs = statfsSync(dirname(path)).type === bpffs
  return isBpffs ? undefined : `${path} is not on a BPF file system; 'mount -t bpf bpf /sys/fs/bpf' makes one`
}
