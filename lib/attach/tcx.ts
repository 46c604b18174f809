import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { native } from '../native/binding.js'
import { attachTypeName, attachTypeNumber } from '../native/type-names.js'
import { type AnchorOptions, anchorNumbers, whyNoPlace } from './anchor.js'
import { attachTo, type Hook } from './attachable.js'
import { type Interface, interfaceIndex } from './interface.js'

export interface TcxOptions extends AnchorOptions {
  /** Incoming or outgoing packets; by default, SEC("tcx/ingress") or SEC("tcx/egress") decides. */
  direction?: 'ingress' | 'egress'
}

export interface NetkitOptions extends AnchorOptions {
  /**
   * The device itself or its peer in the other namespace; by default, SEC("netkit/primary") or SEC("netkit/peer")
   * decides.
   */
  side?: 'primary' | 'peer'
}

export function attachTcx(program: Attachable, to: Interface, options: TcxOptions): Link {
  const type =
    options.direction === undefined ? program.attachType : attachTypeNumber(`tcx_${options.direction}`)
  return attachBeside(program, to, type, 'TCX', '6.6', options)
}

export function attachNetkit(program: Attachable, to: Interface, options: NetkitOptions): Link {
  const type = options.side === undefined ? program.attachType : attachTypeNumber(`netkit_${options.side}`)
  return attachBeside(program, to, type, 'netkit', '6.7', options)
}

function attachBeside(
  program: Attachable,
  to: Interface,
  type: number,
  what: string,
  since: string,
  options: AnchorOptions,
): Link {
  const name = attachTypeName(type)
  if (!name.startsWith(what.toLowerCase())) {
    throw new TypeError(
      `program '${program.name}': the ${what === 'TCX' ? 'direction' : 'side'} is required as an option, because its SEC() does not name one`,
    )
  }
  const ifindex = interfaceIndex(to)
  const { flags, fd, id, revision } = anchorNumbers(options)
  const hook: Hook = {
    what: `${name} of '${to}'`,
    target: String(to),
    since,
    reason: ({ errno }) =>
      errno === 19 || (what === 'netkit' && (errno === 6 || errno === 22))
        ? `this network namespace has no such ${what === 'netkit' ? 'netkit device' : 'interface'}`
        : whyNoPlace(errno),
  }
  return attachTo(program, hook, () =>
    native.programLinkCreate(program.handle, ifindex, type, flags, fd, id, revision),
  )
}
