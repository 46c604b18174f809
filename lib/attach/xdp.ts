import { constants } from 'node:os'
import type { LinkHandle, NativeError } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import { ENOTSUPP } from '../errors/errno.js'
import { BpfError } from '../errors/errors.js'
import type { Attachable, LinkSubject } from '../links/attachment.js'
import { Link } from '../links/link.js'
import type { Capability } from '../machine/capabilities.js'
import { kernelIsOlderThan, tooOldFor } from '../machine/kernel-version.js'
import { native } from '../native/binding.js'
import { attachTypeName, attachTypeNumber } from '../native/type-names.js'
import { type Hook, subjectOf } from './attachable.js'
import { type Interface, interfaceIndex } from './interface.js'
import { type ProgramReference, withProgramFd } from './reference.js'

/**
 * Where the program runs: in the driver (`native`), in the network stack (`generic`, slower, for every device), or on
 * the network card (`offload`).
 */
export type XdpMode = 'native' | 'generic' | 'offload'

export interface XdpOptions {
  /**
   * Uses only this mode. By default native is tried first, then generic; {@link XdpLink.mode} tells which one was used.
   */
  mode?: XdpMode
  /**
   * Attaches the program with netlink instead of a link, and atomically replaces the given program, or with `true`,
   * whatever program is there, if any. Programs that were attached with a link cannot be replaced like this; see
   * {@link Link.update}. The program stays attached after the process ends, until the link is closed. (Linux 5.7;
   * `true` 4.8)
   */
  replace?: ProgramReference | true
}

export interface XdpDetachOptions {
  /** The mode of the program; by default, the mode in which a program is attached. */
  mode?: XdpMode
  /** Fails with EEXIST if another program is attached. (Linux 5.7) */
  program?: ProgramReference
}

/** The XDP programs of an interface, from `bpf_xdp_query`. Ids are 0 where there is no program. */
export interface XdpState {
  /** `undefined` if there is no program. */
  mode: XdpMode | 'several' | undefined
  programId: number
  nativeProgramId: number
  genericProgramId: number
  offloadProgramId: number
  /** The features of the driver: NETDEV_XDP_ACT_* of linux/netdev.h; 0 before Linux 6.3. */
  features: bigint
  /** The maximum number of fragments of a zero-copy AF_XDP frame. */
  zeroCopySegments: number
}

/** The flags of linux/if_link.h. */
const flags: Record<XdpMode, number> = { generic: 1 << 1, native: 1 << 2, offload: 1 << 3 }
const attachModes = [undefined, 'native', 'generic', 'offload', 'several'] as const

/** The link of an XDP program on an interface. */
export class XdpLink extends Link {
  /** The mode in which the program runs. */
  readonly mode: XdpMode
  readonly ifindex: number

  /** Use {@link Program.attachXdp}. @internal */
  constructor(handle: LinkHandle, subject: LinkSubject, onClose: () => void, mode: XdpMode, ifindex: number) {
    super(handle, subject, onClose)
    this.mode = mode
    this.ifindex = ifindex
  }
}

export function attachXdp(program: Attachable, to: Interface, { mode, replace }: XdpOptions): XdpLink {
  const ifindex = interfaceIndex(to)
  expectMode(mode)
  const attachAs = (as: XdpMode): XdpLink => {
    const hook: Hook = {
      what: `XDP of '${to}' (${as})`,
      target: String(to),
      reason: ({ errno }) =>
        (replace === undefined ? undefined : whyNotReplaced(errno)) ??
        whyNoXdp(errno, to, as, attachTypeName(program.attachType)),
    }
    const handle = attempt(subjectOf(program, hook), () => attachNumber(program, ifindex, flags[as], replace))
    const subject = { ...program.subject, target: String(to) }
    return program.own((onClose) => new XdpLink(handle, subject, onClose, as, ifindex))
  }
  if (mode !== undefined) return attachAs(mode)
  try {
    return attachAs('native')
  } catch (error) {
    if (!(error instanceof BpfError) || !isDriversRefusal(error.errno)) throw error
    return attachAs('generic')
  }
}

export function queryXdp(of: Interface): XdpState {
  const ifindex = interfaceIndex(of)
  const { attachMode, ...rest } = attempt({ what: `query XDP of '${of}'`, target: String(of) }, () =>
    native.xdpQuery(ifindex),
  )
  return { mode: attachModes[attachMode], ...rest }
}

/**
 * Detaches an XDP program that was attached with netlink, by this process or another one such as `ip`.
 * (`bpf_xdp_detach`, Linux 4.8)
 *
 * @throws BpfError EBUSY if it was attached with a link: `Link.fromId(id).detach()` detaches it; ENOENT if there is no
 * program
 *
 * @example
 * detachXdp('eth0', { program: { programId: queryXdp('eth0').programId } })
 */
export function detachXdp(from: Interface, { mode, program }: XdpDetachOptions = {}): void {
  const ifindex = interfaceIndex(from)
  expectMode(mode)
  const what = `detach XDP from '${from}'`
  const { EBUSY, EEXIST, EINVAL } = constants.errno
  const subject = {
    what,
    target: String(from),
    capabilities: (): Capability[] => ['CAP_NET_ADMIN'],
    reason: ({ errno }: NativeError) => {
      if (errno === EBUSY) return 'it was attached with a link: detach it with Link.fromId(id).detach()'
      if (errno === EEXIST) return 'another program is attached'
      return errno === EINVAL ? tooOldFor(program === undefined ? undefined : '5.7') : undefined
    },
  }
  const there = queryXdp(from)
  const found = mode === undefined ? there.programId : there[`${mode}ProgramId`]
  if (there.mode === undefined || (mode !== undefined && found === 0)) {
    throw new BpfError(
      `${what}: no program is attached${mode === undefined ? '' : ` in ${mode} mode`} (ENOENT)`,
      {
        code: 'ENOENT',
        errno: constants.errno.ENOENT,
        operation: 'bpf_xdp_detach',
        target: String(from),
      },
    )
  }
  // With programs in several modes the kernel has to be told which one is meant.
  if (mode === undefined && there.mode === 'several')
    throw new TypeError(`${what}: there are programs in several modes, so the option mode is required`)
  const where = flags[mode ?? (there.mode as XdpMode)]
  withProgramFd(program, what, (fd) => attempt(subject, () => native.xdpDetach(ifindex, where, fd ?? -1)))
}

function expectMode(mode: XdpMode | undefined): void {
  if (mode === undefined || Object.hasOwn(flags, mode)) return
  throw new TypeError(`XDP mode '${mode}' does not exist; choose from ${Object.keys(flags).join(', ')}`)
}

function attachNumber(
  program: Attachable,
  ifindex: number,
  mode: number,
  replace: XdpOptions['replace'],
): LinkHandle {
  const attach = (replaces: boolean, old: number): LinkHandle =>
    native.programAttachXdpByNetlink(program.handle, ifindex, mode, replaces, old)
  if (replace === true) return attach(true, -1)
  if (replace !== undefined)
    return withProgramFd(replace, 'replace an XDP program', (fd) => attach(true, fd!))
  if (kernelIsOlderThan('5.9')) return attach(false, -1)
  return native.programLinkCreate(program.handle, ifindex, attachTypeNumber('xdp'), mode, 0, 0, 0n)
}

function isDriversRefusal(errno: number): boolean {
  const { EBUSY, EEXIST, EPERM, ENODEV } = constants.errno
  return ![EBUSY, EEXIST, EPERM, ENODEV].includes(errno)
}

function whyNotReplaced(errno: number): string | undefined {
  const { EBUSY, EEXIST } = constants.errno
  if (errno === EBUSY)
    return "the program there was attached with a link; replace it with the link's update()"
  return errno === EEXIST
    ? 'a program other than the given one is attached, or it is attached in another mode'
    : undefined
}

function whyNoXdp(errno: number, to: Interface, mode: XdpMode, attachType: string): string | undefined {
  const { EBUSY, EEXIST, EINVAL, EOPNOTSUPP, ERANGE } = constants.errno
  if (errno === EINVAL && attachType !== 'xdp')
    return `it is an ${attachType} program, which belongs in a value of such a map, not on an interface`
  if (errno === EINVAL && typeof to === 'number')
    return 'no interface has that index, or it does not support XDP'
  if (errno === EINVAL && mode === 'generic' && kernelIsOlderThan('5.15'))
    return 'before Linux 5.15 generic XDP does not support programs that use a devmap or cpumap with 8-byte values; use values of 4 bytes'
  if (errno === EOPNOTSUPP || errno === ENOTSUPP) {
    return mode === 'generic' ? undefined : `its driver does not support ${mode} XDP`
  }
  if (errno === ERANGE && mode === 'native') {
    return 'the MTU of the interface (or of its peer, for veth) is too large for native XDP; lower it, or compile the program with SEC("xdp.frags")'
  }
  if (errno !== EBUSY && errno !== EEXIST) return undefined
  try {
    const { mode: there, programId } = queryXdp(to)
    if (there === undefined) return undefined
    return `program ${programId} is attached already (${there}), and only one is allowed`
  } catch {
    return 'another program is attached already, and only one is allowed'
  }
}
