import { constants } from 'node:os'
import { attempt } from '../errors/attempt.js'
import type { Attachable } from '../links/attachment.js'
import { native } from '../native/binding.js'
import { type Hook, subjectOf } from './attachable.js'

const reason: NonNullable<Hook['reason']> = ({ errno }) => {
  const { ENOTSOCK, EBADF, EINVAL } = constants.errno
  if (errno === ENOTSOCK || errno === EBADF) return 'it is not a socket'
  return errno === EINVAL
    ? 'the socket does not support it, or its filter is locked (SO_LOCK_FILTER)'
    : undefined
}

export function attachSocket(program: Attachable, socketFd: number): void {
  const hook: Hook = { what: `the socket with fd ${socketFd}`, target: String(socketFd), reason }
  attempt(subjectOf(program, hook), () => native.programAttachSocket(program.handle, socketFd))
}

export function attachReuseport(program: Attachable, socketFd: number): void {
  const what = `the SO_REUSEPORT group of the socket with fd ${socketFd}`
  const hook: Hook = { what, target: String(socketFd), since: '4.19', reason }
  attempt(subjectOf(program, hook), () => native.programAttachReuseport(program.handle, socketFd))
}

/** Removes the program that filters a socket. (SO_DETACH_BPF) */
export function detachSocket(socketFd: number): void {
  attempt({ what: `detach the filter of the socket with fd ${socketFd}` }, () =>
    native.socketDetach(socketFd),
  )
}

/**
 * Removes the program that selects sockets in the socket's SO_REUSEPORT group. (SO_DETACH_REUSEPORT_BPF, Linux 5.3)
 */
export function detachReuseport(socketFd: number): void {
  attempt({ what: `detach the program of the SO_REUSEPORT group of the socket with fd ${socketFd}` }, () =>
    native.reuseportDetach(socketFd),
  )
}
