import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import type { LinkHandle, NativeError } from '../../types/binding.js'
import { viewOf } from '../btf/bytes.js'
import type { Codec } from '../btf/codec.js'
import { attempt } from '../errors/attempt.js'
import { explain, type Subject } from '../errors/explain.js'
import type { Attachable } from '../links/attachment.js'
import { Link } from '../links/link.js'
import type { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import { type Hook, subjectOf, u64 } from './attachable.js'
import { withFd } from './file.js'

const orders = ['self_only', 'descendants_pre', 'descendants_post', 'ancestors_up'] as const

/** Limits what an iterator goes over. At most one of these can be given; without any, it goes over everything. */
export interface IterOptions {
  /** The elements of a map or sockmap, or the sockets of a socket storage map. (Linux 5.9) */
  map?: BpfMap<unknown, unknown>
  /** The task, files or memory areas of one thread, by its id. (Linux 6.1) */
  tid?: number
  /** The same for all threads of a process. (Linux 6.1) */
  pid?: number
  /** Like `pid`, but with a descriptor from pidfd_open(). (Linux 6.1) */
  pidFd?: number
  /** A cgroup, by its path or descriptor. (Linux 6.1) */
  cgroup?: string | number
  /** A cgroup, by its id. (Linux 6.1) */
  cgroupId?: bigint
  /**
   * Which cgroups, relative to that one; `descendants_pre` by default, which visits parents before their children.
   */
  cgroupOrder?: (typeof orders)[number]
}

/** Bytes per read. The kernel returns at most its buffer of 8 pages at a time. */
const chunkSize = 1 << 16

/** An attached iterator program. It runs when it is read, and each reading starts from the beginning. */
export class IterLink extends Link {
  readonly #handle: LinkHandle
  readonly #subject: Subject

  /** Use {@link Program.attachIter}. @internal */
  constructor(handle: LinkHandle, subject: Subject, onClose: () => void) {
    super(handle, subject, onClose)
    this.#handle = handle
    this.#subject = { ...subject, what: `read iterator '${subject.program}'` }
  }

  /** Runs the program and yields what it writes, as bytes. (`bpf_iter_create`) */
  async *bytes(): AsyncGenerator<Uint8Array, undefined> {
    const fd = attempt(this.#subject, () => native.linkIterCreate(this.#handle))
    try {
      for (let chunk = await this.#read(fd); chunk.length > 0; chunk = await this.#read(fd)) yield chunk
      return undefined
    } finally {
      native.descriptorClose(fd)
    }
  }

  /** Like {@link bytes}, as a stream. */
  stream(): Readable {
    // Loaded on demand: node:stream takes longer to load than all other modules that this package uses.
    return process.getBuiltinModule('node:stream').Readable.from(this.bytes(), { objectMode: false })
  }

  /** Runs the program and returns everything that it writes, as text. */
  async text(): Promise<string> {
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of this.bytes()) text += decoder.decode(chunk, { stream: true })
    return text + decoder.decode()
  }

  /** Runs the program and yields what it writes, line by line, without the newlines. */
  async *lines(): AsyncGenerator<string, undefined> {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of this.bytes()) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop()!
      yield* lines
    }
    rest += decoder.decode()
    if (rest !== '') yield rest
    return undefined
  }

  /**
   * Runs the program and decodes what it writes with `bpf_seq_write()` as records of one type.
   *
   * @param codec - for example `obj.codec('entry')`; each record has the size of the codec
   */
  async *records<T>(codec: Codec<T>): AsyncGenerator<T, undefined> {
    const { size } = codec
    let rest = new Uint8Array(0)
    for await (const chunk of this.bytes()) {
      const bytes = rest.length === 0 ? chunk : concat(rest, chunk)
      const view = viewOf(bytes)
      let at = 0
      for (; at + size <= bytes.length; at += size) yield codec.decode(view, at, size)
      rest = bytes.slice(at)
    }
    return undefined
  }

  async #read(fd: number): Promise<Uint8Array> {
    for (;;) {
      try {
        return await native.descriptorRead(fd, chunkSize)
      } catch (error) {
        // The kernel answers EAGAIN after a million elements without output, so that others can run.
        if ((error as NativeError).errno !== constants.errno.EAGAIN) throw explain(error, this.#subject)
      }
    }
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

export function attachIter(program: Attachable, section: string, options: IterOptions): IterLink {
  const isOverAll = Object.values(options).every((option) => option === undefined)
  const hook: Hook = {
    what: `iterator ${section}`,
    target: section,
    since: isOverAll ? '5.8' : options.map === undefined ? '6.1' : '5.9',
    reason: (error) => (isOverAll ? whyNoIter(error, section) : noProcess(error)),
  }
  const subject = subjectOf(program, hook)
  const handle = attachOver(program, options, subject)
  return program.own((onClose) => new IterLink(handle, { ...subject }, onClose))
}

/** Explains a failure to attach an iterator without options. */
export function whyNoIter(error: NativeError, section: string): string | undefined {
  const { EBADF, EINVAL } = constants.errno
  if (error.errno === EBADF) return 'this iterator goes over the elements of a map: use attachIter({ map })'
  return error.errno === EINVAL && /\/cgroup$/.test(section)
    ? 'this iterator goes over cgroups: use attachIter({ cgroup, cgroupOrder })'
    : noProcess(error)
}

const noProcess = ({ errno }: NativeError): string | undefined =>
  errno === constants.errno.ESRCH ? 'no such process' : undefined

function attachOver(program: Attachable, options: IterOptions, subject: Subject): LinkHandle {
  const { map, tid = 0, pid = 0, pidFd = 0, cgroup, cgroupId = 0n } = options
  const overTask = tid !== 0 || pid !== 0 || pidFd !== 0
  const overCgroup = cgroup !== undefined || cgroupId !== 0n || options.cgroupOrder !== undefined
  const ways = [map !== undefined, tid !== 0, pid !== 0, pidFd !== 0, overCgroup].filter(Boolean)
  if (ways.length > 1) throw new TypeError('only one of map, tid, pid, pidFd and cgroup can be given')
  if (map !== undefined) {
    mapHandles.of(map)
    const { fd } = map
    return attempt(subject, () => native.programAttachIterMap(program.handle, fd))
  }
  if (overTask) return attempt(subject, () => native.programAttachIterTask(program.handle, tid, pid, pidFd))
  if (!overCgroup) return attempt(subject, () => native.programAttachIter(program.handle))
  if (cgroup !== undefined && cgroupId !== 0n)
    throw new TypeError('only one of cgroup and cgroupId can be given')
  const order = orders.indexOf(options.cgroupOrder ?? 'descendants_pre') + 1
  if (order === 0) throw new TypeError(`cgroupOrder is not one of ${orders.join(', ')}`)
  const id = u64('cgroupId', cgroupId)
  const call = (fd: number): LinkHandle =>
    attempt(subject, () => native.programAttachIterCgroup(program.handle, order, fd, id))
  return cgroup === undefined ? call(0) : withFd(cgroup, subject.what, call)
}
