import { constants } from 'node:os'
import type { LinkHandle } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import { BpfError, ENOTSUPP } from '../errors/errors.js'
import type { Attachable, LinkSubject } from '../links/attachment.js'
import { Link } from '../links/link.js'
import { kernelIsOlderThan } from '../machine/kernel-version.js'
import { native } from '../native/binding.js'
import { attachTypeName, attachTypeNumber } from '../native/type-names.js'
import { type Hook, subjectOf } from './attachable.js'
import { type Interface, interfaceIndex } from './interface.js'

/** Who runs it: the `native` driver, the kernel's `generic` code after it made a packet of the frame, or the card itself (`offload`). */
export type XdpMode = 'native' | 'generic' | 'offload'

export interface XdpOptions {
  /** Only this mode. Without it native, and where the driver refuses, generic: {@link XdpLink.mode} tells. */
  mode?: XdpMode
}

/** What `bpf_xdp_query` says of an interface. Ids are 0 where no program is. */
export interface XdpState {
  /** `undefined` without a program. */
  mode: XdpMode | 'several' | undefined
  programId: number
  nativeProgramId: number
  genericProgramId: number
  offloadProgramId: number
  /** What the driver can do: NETDEV_XDP_ACT_* of linux/netdev.h; 0 before Linux 6.3. */
  features: bigint
  /** Fragments of a zero-copy AF_XDP frame. */
  zeroCopySegments: number
}

/** The flags of linux/if_link.h. */
const flags: Record<XdpMode, number> = { generic: 1 << 1, native: 1 << 2, offload: 1 << 3 }
const attachModes = [undefined, 'native', 'generic', 'offload', 'several'] as const

/** An XDP program on an interface. */
export class XdpLink extends Link {
  /** The mode that it runs in. */
  readonly mode: XdpMode
  readonly ifindex: number

  /** Use {@link Program.attachXdp}. @internal */
  constructor(handle: LinkHandle, subject: LinkSubject, onClose: () => void, mode: XdpMode, ifindex: number) {
    super(handle, subject, onClose)
    this.mode = mode
    this.ifindex = ifindex
  }
}

export function attachXdp(program: Attachable, to: Interface, { mode }: XdpOptions): XdpLink {
  const ifindex = interfaceIndex(to)
  if (mode !== undefined && !(mode in flags)) {
    throw new TypeError(`XDP mode '${mode}' does not exist; there are ${Object.keys(flags).join(', ')}`)
  }
  const attachAs = (as: XdpMode): XdpLink => {
    const hook: Hook = {
      what: `XDP of '${to}' (${as})`,
      target: String(to),
      reason: ({ errno }) => whyNoXdp(errno, to, as, attachTypeName(program.attachType)),
    }
    const handle = attempt(subjectOf(program, hook), () => attachNumber(program, ifindex, flags[as]))
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

function attachNumber(program: Attachable, ifindex: number, mode: number): LinkHandle {
  if (kernelIsOlderThan('5.9')) return native.programAttachXdpByNetlink(program.handle, ifindex, mode)
  return native.programLinkCreate(program.handle, ifindex, attachTypeNumber('xdp'), mode, 0, 0, 0n)
}

function isDriversRefusal(errno: number): boolean {
  const { EBUSY, EEXIST, EPERM, ENODEV } = constants.errno
  return ![EBUSY, EEXIST, EPERM, ENODEV].includes(errno)
}

function whyNoXdp(errno: number, to: Interface, mode: XdpMode, attachType: string): string | undefined {
  const { EBUSY, EEXIST, EINVAL, EOPNOTSUPP } = constants.errno
  if (errno === EINVAL && attachType !== 'xdp')
    return `it is an ${attachType} program, for the values of such a map and not for an interface`
  if (errno === EINVAL && typeof to === 'number')
    return 'no interface has that index, or it does not take XDP'
  if (errno === EINVAL && mode === 'generic' && kernelIsOlderThan('5.15'))
    return 'before Linux 5.15 generic XDP takes no program with a devmap or cpumap whose values have room for programs (8 bytes; it takes 4)'
  if (errno === EOPNOTSUPP || errno === ENOTSUPP) {
    return mode === 'generic' ? undefined : `its driver does not do ${mode} XDP`
  }
  if (errno !== EBUSY && errno !== EEXIST) return undefined
  try {
    const { mode: there, programId } = queryXdp(to)
    if (there === undefined) return undefined
    return `program ${programId} is in place already (${there}); one at a time`
  } catch {
    return 'a program is in place already; one at a time'
  }
}
