// Programs that are in the kernel already: pinned, loaded by another process, or sent as a descriptor.
import { constants } from 'node:os'
import type { NativeError, ObjectHandle, ProgramHandle } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'
import type { Link } from '../links/link.js'
import { native } from '../native/binding.js'
import { fullName } from './dump.js'
import type { ProgramOwner } from './properties.js'

/** Options for {@link Program.fromPin}, {@link Program.fromId} and {@link Program.fromFd}. */
export interface ProgramOptions {
  /**
   * The section of the program, as in SEC(), such as 'kprobe.multi' or 'cgroup_skb/egress'. The kernel does not know
   * it. Without it, `attach()` has no target, and hooks that take several kinds of programs of one type refuse the
   * program.
   */
  section?: string
}

/** A program without an object file. It owns its native handles and its links. @internal */
export interface Foreign {
  readonly handle: ProgramHandle
  readonly owner: ProgramOwner
}

/** @param open - returns a descriptor, which is closed @internal */
export function adopt(subject: Subject, open: () => number, options: ProgramOptions): Foreign {
  const fd = attempt(subject, open)
  try {
    return adoptFd(subject, fd, options)
  } finally {
    native.descriptorClose(fd)
  }
}

/** @param fd - is duplicated @internal */
export function adoptFd(subject: Subject, fd: number, { section = '' }: ProgramOptions): Foreign {
  if (typeof section !== 'string') throw new TypeError('section is not a string')
  const info = attempt({ ...subject, reason: notAProgram }, () => native.programFdInfo(fd))
  const { name, type } = { name: fullName(info, fd), type: info.type }
  const object = attempt({ ...subject, reason: notAdopted }, () =>
    native.programAdopt(fd, name, section.replace(/^\?/, ''), type),
  )
  const [handle] = native.objectPrograms(object)
  return { handle: handle!, owner: new ForeignOwner(object, name) }
}

class ForeignOwner implements ProgramOwner {
  readonly #object: ObjectHandle
  readonly #program: string
  readonly #links = new Set<Link>()
  readonly name = undefined

  constructor(object: ObjectHandle, program: string) {
    this.#object = object
    this.#program = program
  }

  readonly own = <L extends Link>(make: (onClose: () => void) => L): L => {
    const link: L = make(() => this.#links.delete(link))
    this.#links.add(link)
    return link
  }

  btfFd(): number {
    return -1
  }

  expectPrepared(what: string): never {
    throw this.#refusal(`${what} no object`, 'it is in the kernel already')
  }

  dispatch(): never {
    throw this.#refusal(
      `attach program '${this.#program}' with a dispatcher`,
      'only a program of an object can be replaceable',
    )
  }

  close(): void {
    for (const link of [...this.#links]) link.close()
    native.objectClose(this.#object)
  }

  #refusal(what: string, why: string): BpfError {
    return new BpfError(`${what}: ${why}`, { code: 'ERR_BPF_STATE', program: this.#program })
  }
}

/** How BPF_OBJ_GET_INFO_BY_FD answers for a descriptor that is not open. Node.js has no name for it. */
const EBADFD = 77

function notAProgram({ errno }: NativeError): string | undefined {
  const { EINVAL, EBADF } = constants.errno
  if (errno === EBADF || errno === EBADFD) return 'there is no such descriptor'
  return errno === EINVAL ? 'it is not a program' : undefined
}

function notAdopted({ errno }: NativeError): string | undefined {
  return errno === constants.errno.EOPNOTSUPP
    ? "this addon was built with the system's libbpf, which cannot attach programs that it has not loaded"
    : undefined
}
