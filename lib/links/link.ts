import { readlinkSync } from 'node:fs'
import { constants } from 'node:os'
import type { LinkHandle, NativeError } from '../../types/binding.js'
import { type ProgramReference, withProgramFd } from '../attach/reference.js'
import { attempt, attemptAsync } from '../errors/attempt.js'
import { ENOTSUPP, errnoName } from '../errors/errno.js'
import { BpfError } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'
import { whyNotPinned } from '../errors/pins.js'
import { type PinFolder, pinAt } from '../machine/pin-folder.js'
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
 * How the program of a link was replaced. `updated`: the kernel updated the link atomically. `switched`: the dispatcher
 * was switched atomically. `overlapped`: the new program was attached before the old one was detached, so both saw the
 * events in between.
 */
export type ExchangeKind = 'updated' | 'switched' | 'overlapped'

/** A replacement that can still be undone. @internal */
export interface Exchange {
  readonly link: Link
  readonly kind: ExchangeKind
  /** Restores the old program. */
  undo(): void
  /** Completes the replacement. Returns the native link that must then be closed. */
  finish(): LinkHandle | undefined
}

/**
 * The attachment of a program to a hook.
 *
 * The program stays attached until you close the link, or until the process or the Worker ends. Garbage collection
 * never detaches it. A pinned link outlives the process.
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

  /** The same as {@link Link.open}. */
  static fromPin(path: string): Link {
    return Link.open(path)
  }

  /**
   * Opens a link by its descriptor, for example one that another process has sent. (Linux 5.7)
   *
   * @param fd - the descriptor is duplicated; you still own it
   */
  static fromFd(fd: number): Link {
    return new Link(
      attempt({ what: `open fd ${fd} as a link`, reason: whyNoLink, arguments: ['fd'] }, () =>
        native.linkFromFd(fd),
      ),
      {},
    )
  }

  /** Opens any link in the kernel by its id. (`bpf_link_get_fd_by_id`, Linux 5.8; requires CAP_SYS_ADMIN) */
  static fromId(id: number): Link {
    return new Link(
      attempt({ what: `open link ${id}`, arguments: ['id'], capabilities: () => ['CAP_SYS_ADMIN'] }, () =>
        native.linkFromId(id),
      ),
      {},
    )
  }

  /**
   * Closes many links on libuv's pool. The kernel needs several milliseconds to detach a probe, which would block the
   * event loop. The links cannot be used from now on.
   */
  static async closeAll(links: Iterable<Link>): Promise<void> {
    const all = [...links]
    if (!all.every((link) => link instanceof Link))
      throw new TypeError('links has an element that is not a Link')
    const open = all.filter((link) => !link.#closed)
    if (open.length === 0) return
    const closing = native.linkCloseAsync(open.map((link) => link.#handle))
    // Only now: closing the object of a dispatcher would close its link on this thread.
    for (const link of open) link.#letGo()
    await closing
  }

  /** The name of the program, if this process attached it. */
  get program(): string | undefined {
    return this.#subject.program
  }

  /**
   * What the program is attached to, if this process attached it: a function, a tracepoint, an interface, or what
   * SEC() says.
   */
  get target(): string | undefined {
    return this.#subject.target
  }

  /**
   * The file descriptor. The link owns it. -1 if the program is attached without a kernel link, as on older kernels.
   * (`bpf_link__fd`)
   */
  get fd(): number {
    return this.#do('read the fd', () => native.linkFd(this.#handle))
  }

  /** The path that the link is pinned to. (`bpf_link__pin_path`) */
  get pinPath(): string | undefined {
    return this.#do('read the pin path', () => native.linkPinPath(this.#handle))
  }

  /** Whether the link was closed. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Detaches the program but leaves the link open, also for all other processes that have it open or pinned. This only
   * works for kernel links. (`bpf_link__detach`, Linux 5.9)
   */
  detach(): void {
    this.#do('detach', () => native.linkDetach(this.#handle), this.#whyNotSupported)
  }

  /**
   * Makes {@link close} leave the program attached: as long as the link is pinned, or forever on hooks without kernel
   * links. (`bpf_link__disconnect`)
   */
  disconnect(): void {
    this.#do('disconnect', () => native.linkDisconnect(this.#handle))
  }

  /**
   * Pins the link to a file in a BPF file system, so that the program stays attached when the process ends.
   * (`bpf_link__pin`, Linux 5.7)
   *
   * @param options - `folder`: a descriptor of the folder that `path` is relative to (`bpf_obj_pin_opts`, Linux 6.5);
   * {@link pinPath} and {@link unpin} do not know such a pin
   */
  pin(path: string, { folder }: PinFolder = {}): void {
    if (folder !== undefined) {
      pinAt(this.#subject, 'link', this.fd, path, folder)
      return
    }
    this.#do(
      `pin to ${path}`,
      () => native.linkPin(this.#handle, path),
      (error) => this.#whyNotSupported(error) ?? whyNotPinned(path, errnoName(error.errno)),
    )
  }

  /** Removes the pin. (`bpf_link__unpin`) */
  unpin(): void {
    this.#do('unpin', () => native.linkUnpin(this.#handle))
  }

  /**
   * Replaces the attached program with another one of the same type, atomically. The link then belongs to the object
   * of the new program.
   *
   * This works for XDP, TCX, netkit, cgroups, network namespaces, iterators, sockmaps (Linux 6.10), and programs that
   * are {@link Program.replaceable}. (`bpf_link__update_program`, Linux 5.7)
   *
   * @param options - `expected`: fails if another program is attached, because somebody else has replaced it: with EPERM,
   * with EINVAL for sockmaps (`bpf_link_update`)
   * @throws BpfError ENOLINK if the target no longer exists
   */
  update(program: Program, { expected }: { expected?: ProgramReference } = {}): void {
    const to = attachablePrograms.of(program)
    const dispatcher = this.#reattach?.dispatcher
    if (expected !== undefined && dispatcher !== undefined)
      throw new TypeError(
        'expected cannot be given for a replaceable program: only this process updates its link',
      )
    // Throws if the program is not loaded.
    program.fd
    this.#do(
      `update to program '${program.name}'`,
      () => {
        if (dispatcher !== undefined) return dispatcher.pointTo(program.fd)
        withProgramFd(expected, 'update a link', (fd) =>
          native.linkUpdateProgram(this.#handle, to.handle, fd ?? -1),
        )
      },
      (error) => {
        const { EINVAL, EPERM } = constants.errno
        if (error.errno === EPERM && expected !== undefined)
          return 'a program other than the expected one is attached'

        if (error.errno !== EINVAL || native.linkFd(this.#handle) < 0) return this.#whyNotSupported(error)
        return 'the program has another type, or the program of such a link cannot be replaced'
      },
    )
    this.#moveTo(to)
  }

  /** Replaces `old` with `program` in the best way that is possible. @internal */
  async exchange(old: Program, program: Program): Promise<Exchange> {
    const kind = this.#reattach?.dispatcher === undefined ? 'updated' : 'switched'
    try {
      this.update(program)
      return { link: this, kind, undo: () => this.update(old), finish: () => undefined }
    } catch (error) {
      const hasNoUpdate = error instanceof BpfError && noUpdate.has(error.errno) && kind === 'updated'
      if (!hasNoUpdate || this.#reattach === undefined) throw error
      if (this.pinPath !== undefined)
        throw this.#refusal('it is pinned, and the program of such a link cannot be replaced')
    }
    const reattach = this.#reattach
    const to = attachablePrograms.of(program)
    const subject = {
      ...this.#subject,
      ...to.subject,
      what: `attach program '${program.name}' to ${this.target}`,
    }
    const handle = await attemptAsync(subject, async () => reattach.attach(to.handle))
    if (handle === undefined) throw this.#refusal('an object was closed in the meantime')
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

  /** Replaces a struct_ops map with another one of the same kind. (`bpf_link__update_map`, Linux 6.4) */
  updateMap(map: BpfMap<unknown, unknown>): void {
    const { subject, own } = attachableMaps.of(map)
    const handle = mapHandles.of(map)
    this.#do(
      `update to map '${map.name}'`,
      () => native.linkUpdateMap(this.#handle, handle),
      ({ errno }) =>
        errno === constants.errno.EINVAL
          ? 'this is only possible from one SEC(".struct_ops.link") map to another of the same kind'
          : undefined,
    )
    if (own !== undefined) this.#moveTo({ subject, own })
    this.#subject = { ...subject, target: map.name }
  }

  /** {@link exchange} for struct_ops maps. @internal */
  exchangeMap(old: BpfMap<unknown, unknown>, map: BpfMap<unknown, unknown>): Exchange {
    this.updateMap(map)
    return { link: this, kind: 'updated', undo: () => this.updateMap(old), finish: () => undefined }
  }

  /** What the kernel reports about the link. (`bpf_link_get_info_by_fd`, Linux 5.8) */
  info(): LinkInfo {
    return toLinkInfo(this.#do('read the info', () => native.linkInfo(this.#handle), whyNoInfo))
  }

  /**
   * Closes the link. This detaches the program, unless the link is pinned or disconnected. Closing twice is fine.
   * (`bpf_link__destroy`)
   */
  close(): void {
    if (this.#closed) return
    native.linkClose(this.#handle)
    this.#letGo()
  }

  /** Like {@link close}, but on libuv's pool; see {@link Link.closeAll}. */
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

  /** Moves the link to the object of another program. */
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
    return new BpfError(`link of program '${this.program}': replace its program: ${why}`, {
      ...this.#subject,
      code: 'ERR_BPF_STATE',
    })
  }

  readonly #whyNotSupported = ({ errno }: NativeError): string | undefined => {
    const { EINVAL, EOPNOTSUPP, EBADF, ENOLINK } = constants.errno
    if (errno === ENOLINK)
      return 'its target (interface, cgroup, network namespace) is gone, or the link was detached'
    if (errno === EOPNOTSUPP || errno === ENOTSUPP) {
      return this.#isKernelLink ? 'such a link does not support that' : noLink
    }
    return (errno === EINVAL || errno === EBADF) && !this.#isKernelLink ? noLink : undefined
  }

  /** Before Linux 5.15, a probe is held by a perf event, not by a link. */
  get #isKernelLink(): boolean {
    const fd = native.linkFd(this.#handle)
    if (fd < 0) return false
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('anon_inode:bpf')
    } catch {
      return true
    }
  }

  #do<T>(what: string, call: () => T, reason?: Subject['reason']): T {
    const { program } = this.#subject
    const link = program === undefined ? 'link' : `link of program '${program}'`
    return attempt({ ...this.#subject, what: `${link}: ${what}`, reason }, call)
  }
}

/** The errors of kernels for links that cannot be updated. */
const noUpdate = new Set<number>([constants.errno.EINVAL, constants.errno.EOPNOTSUPP, ENOTSUPP])

function whyNoLink({ errno }: NativeError): string | undefined {
  return errno === constants.errno.EINVAL ? 'it is not a link' : undefined
}

const noLink =
  'the program is attached without a kernel link, because of the options or because this kernel has no links for this hook'

function whyNoInfo({ errno }: NativeError): string | undefined {
  const { EINVAL, EOPNOTSUPP } = constants.errno
  return errno === EINVAL || errno === EOPNOTSUPP ? noLink : undefined
}
