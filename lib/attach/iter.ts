import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import type { LinkHandle, NativeError } from '../../types/binding.js'
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

/** What an iterator goes over, where its program does not go over all there is. At most one of these. */
export interface IterOptions {
  /** The elements of a map or sockmap, or the sockets of a socket storage. (Linux 5.9) */
  map?: BpfMap<unknown, unknown>
  /** One thread's tasks, files or memory areas, by its number. (Linux 6.1) */
  tid?: number
  /** The threads of a process. (Linux 6.1) */
  pid?: number
  /** The same by a descriptor of pidfd_open(). (Linux 6.1) */
  pidFd?: number
  /** A cgroup by its path or descriptor. (Linux 6.1) */
  cgroup?: string | number
  /** A cgroup by its id. (Linux 6.1) */
  cgroupId?: bigint
  /** Which cgroups, seen from that one; `descendants_pre` by default: parents before their children. */
  cgroupOrder?: (typeof orders)[number]
}

/** Bytes of a read. The kernel gives no more than it holds in a buffer of 8 pages. */
const chunkSize = 1 << 16

/** An iterator program: it runs when it is read. Each reading goes over everything anew. */
export class IterLink extends Link {
  readonly #handle: LinkHandle
  readonly #subject: Subject

  /** Use {@link Program.attachIter}. @internal */
  constructor(handle: LinkHandle, subject: Subject, onClose: () => void) {
    super(handle, subject, onClose)
    this.#handle = handle
    this.#subject = { ...subject, what: `read iterator '${subject.program}'` }
  }

  /** What the program writes, as bytes. (`bpf_iter_create`) */
  async *bytes(): AsyncGenerator<Uint8Array, undefined> {
    const fd = attempt(this.#subject, () => native.linkIterCreate(this.#handle))
    try {
      for (let chunk = await this.#read(fd); chunk.length > 0; chunk = await this.#read(fd)) yield chunk
      return undefined
    } finally {
      native.descriptorClose(fd)
    }
  }

  /** The same as a stream. */
  stream(): Readable {
    // Loaded when it's wanted: that takes longer than the rest of Node's modules that are used here.
    return process.getBuiltinModule('node:stream').Readable.from(this.bytes(), { objectMode: false })
  }

  /** What the program writes, as text, all of it. */
  async text(): Promise<string> {
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of this.bytes()) text += decoder.decode(chunk, { stream: true })
    return text + decoder.decode()
  }

  /** What the program writes, line by line. */
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
   * What the program writes with `bpf_seq_write()`, as records of one type.
   *
   * @param codec - such as `obj.codec('entry')`; all records are as long as it says
   */
  async *records<T>(codec: Codec<T>): AsyncGenerator<T, undefined> {
    const { size } = codec
    let rest = new Uint8Array(0)
    for await (const chunk of this.bytes()) {
      const bytes = rest.length === 0 ? chunk : concat(rest, chunk)
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
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
        // It has passed by a million elements without a word, and lets others run.
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
    reason: ({ errno }) => {
      if (errno === constants.errno.ESRCH) return 'no such process'
      const { EBADF, EINVAL } = constants.errno
      return (errno === EBADF || errno === EINVAL) && isOverAll
        ? 'it goes over the elements of a map: the option map has to say of which'
        : undefined
    },
  }
  const subject = subjectOf(program, hook)
  const handle = attachOver(program, options, subject)
  return program.own((onClose) => new IterLink(handle, { ...subject }, onClose))
}

function attachOver(program: Attachable, options: IterOptions, subject: Subject): LinkHandle {
  const { map, tid = 0, pid = 0, pidFd = 0, cgroup, cgroupId = 0n } = options
  const overTask = tid !== 0 || pid !== 0 || pidFd !== 0
  const overCgroup = cgroup !== undefined || cgroupId !== 0n || options.cgroupOrder !== undefined
  const ways = [map !== undefined, tid !== 0, pid !== 0, pidFd !== 0, overCgroup].filter(Boolean)
  if (ways.length > 1) throw new TypeError('an iterator goes over one thing: map, tid, pid, pidFd or cgroup')
  if (map !== undefined) {
    mapHandles.of(map)
    const { fd } = map
    return attempt(subject, () => native.programAttachIterMap(program.handle, fd))
  }
  if (overTask) return attempt(subject, () => native.programAttachIterTask(program.handle, tid, pid, pidFd))
  if (!overCgroup) return attempt(subject, () => native.programAttachIter(program.handle))
  if (cgroup !== undefined && cgroupId !== 0n) throw new TypeError('cgroup and cgroupId exclude each other')
  const order = orders.indexOf(options.cgroupOrder ?? 'descendants_pre') + 1
  if (order === 0) throw new TypeError(`cgroupOrder is none of ${orders.join(', ')}`)
  const id = u64('cgroupId', cgroupId)
  const call = (fd: number): LinkHandle =>
    attempt(subject, () => native.programAttachIterCgroup(program.handle, order, fd, id))
  return cgroup === undefined ? call(0) : withFd(cgroup, subject.what, call)
}
