// Takes programs off hooks to which they were attached without a link, by this process or another one.
import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import type { Capability } from '../machine/capabilities.js'
import type { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { type AttachType, attachTypeNumber } from '../native/type-names.js'
import { u64 } from './attachable.js'
import { withFd } from './file.js'
import { type Interface, interfaceIndex } from './interface.js'
import { whyNoReceiver } from './lirc.js'
import { type ProgramReference, withProgramFd } from './reference.js'

export interface DetachOptions {
  /** Fails with ESTALE if the list of programs has changed since the query that returned this revision. */
  revision?: bigint
}

const linked =
  'it is not attached there, or it is attached with a link: detach that with Link.fromId(id).detach()'

/**
 * Detaches a program from a cgroup to which it was attached without a link. (`bpf_prog_detach_opts`, Linux 4.10)
 *
 * @param cgroup - the folder of the cgroup, or a descriptor of it
 * @param program - may only be left out if the program was attached with `allow: 'none'` or `allow: 'override'`
 * @throws BpfError ENOENT if the program is not attached there, or is attached with a link
 *
 * @example
 * const cgroup = '/sys/fs/cgroup/web'
 * for (const { programId } of queryCgroup(cgroup, 'cgroup_inet_egress').programs) {
 *   detachCgroup(cgroup, 'cgroup_inet_egress', { programId })
 * }
 */
export function detachCgroup(
  cgroup: string | number,
  type: AttachType,
  program?: ProgramReference,
  options: DetachOptions = {},
): void {
  withFd(cgroup, `detach a program from ${type} of cgroup ${cgroup}`, (fd) =>
    detach(fd, type, `cgroup ${cgroup}`, program, options, ({ errno }) => {
      const { EBADF, EINVAL, ENOENT } = constants.errno
      if (errno === EBADF) return 'it is not a folder of a cgroup v2 file system'
      if (errno === EINVAL && program === undefined)
        return 'several programs can be attached there; pass the one to detach'
      return errno === ENOENT || errno === EINVAL ? linked : undefined
    }),
  )
}

/** Detaches a TCX program that was attached without a link. (`bpf_prog_detach_opts`, Linux 6.6) */
export function detachTcx(
  from: Interface,
  direction: 'ingress' | 'egress',
  program: ProgramReference,
  options: DetachOptions = {},
): void {
  detach(interfaceIndex(from), `tcx_${direction}`, `'${from}'`, program, options, whyNotBeside)
}

/** Detaches a program of a netkit device that was attached without a link. (`bpf_prog_detach_opts`, Linux 6.7) */
export function detachNetkit(
  from: Interface,
  side: 'primary' | 'peer',
  program: ProgramReference,
  options: DetachOptions = {},
): void {
  detach(interfaceIndex(from), `netkit_${side}`, `'${from}'`, program, options, whyNotBeside)
}

/** Detaches a program of a sockmap or sockhash that was attached without a link. (`bpf_prog_detach2`, Linux 4.14) */
export function detachSockmap(
  map: BpfMap<unknown, unknown>,
  type: 'sk_skb_stream_parser' | 'sk_skb_stream_verdict' | 'sk_skb_verdict' | 'sk_msg_verdict',
  program: ProgramReference,
): void {
  detach(map.fd, type, `map '${map.name}'`, program, {}, ({ errno }) =>
    errno === constants.errno.ENOENT ? linked : undefined,
  )
}

/**
 * Detaches the flow dissector of this process's network namespace if it was attached without a link.
 * (`bpf_prog_detach2`, Linux 4.20)
 */
export function detachFlowDissector(program: ProgramReference): void {
  detach(0, 'flow_dissector', 'the network namespace', program, {}, ({ errno }) =>
    errno === constants.errno.ENOENT || errno === constants.errno.EINVAL ? linked : undefined,
  )
}

/**
 * Detaches a program from an infrared receiver. (`bpf_prog_detach2`, Linux 4.18)
 *
 * @param device - its file, such as '/dev/lirc0', or a descriptor of it
 */
export function detachLirc(device: string | number, program: ProgramReference): void {
  withFd(device, `detach a program from ${device}`, (fd) =>
    detach(fd, 'lirc_mode2', `${device}`, program, {}, (error) =>
      error.errno === constants.errno.ENOENT ? 'it is not attached there' : whyNoReceiver(error),
    ),
  )
}

const whyNotBeside = ({ errno }: NativeError): string | undefined => {
  if (errno === constants.errno.ESTALE)
    return 'the list of programs has changed since the given revision; query it again'
  return errno === constants.errno.ENOENT || errno === constants.errno.EBUSY ? linked : undefined
}

function detach(
  target: number,
  type: AttachType,
  where: string,
  program: ProgramReference | undefined,
  { revision = 0n }: DetachOptions,
  reason: (error: NativeError) => string | undefined,
): void {
  const number = attachTypeNumber(type)
  const expected = u64('revision', revision)
  const subject = {
    what: `detach a program from ${type} of ${where}`,
    target: where,
    capabilities: (): Capability[] => ['CAP_NET_ADMIN'],
    reason,
  }
  withProgramFd(program, subject.what, (fd) =>
    attempt(subject, () => native.programDetach(fd ?? 0, target, number, expected)),
  )
}
