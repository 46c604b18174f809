import { constants } from 'node:os'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { kernelIsOlderThan } from '../machine/kernel-version.js'
import type { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import { type AttachType, attachTypeName, attachTypeNumber } from '../native/type-names.js'
import { attachTo, type Hook } from './attachable.js'

export function attachSockmap(program: Attachable, map: BpfMap<unknown, unknown>): Link {
  mapHandles.of(map)
  const type = program.attachType
  const { fd } = map
  return attachTo(program, hookOf(map, type), () => {
    // Before Linux 6.10 there are no links for sockmaps: the program stays attached as long as the map exists.
    if (kernelIsOlderThan('6.10')) return native.programProgAttach(program.handle, fd, type, 0, 0)
    return native.programLinkCreate(program.handle, fd, type, 0, 0, 0, 0n)
  })
}

/** Attaches a program without a kernel link, on every kernel. */
export function attachSockmapWithoutLink(
  program: Attachable,
  map: BpfMap<unknown, unknown>,
  attachType: AttachType,
): Link {
  const type = attachTypeNumber(attachType)
  return attachTo(program, hookOf(map, type), () =>
    native.programProgAttach(program.handle, map.fd, type, 0, 0),
  )
}

const hookOf = (map: BpfMap<unknown, unknown>, type: number): Hook => ({
  what: `${attachTypeName(type)} of map '${map.name}'`,
  target: map.name,
  reason: ({ errno }) => {
    const { EINVAL, EBUSY, EOPNOTSUPP } = constants.errno
    if (errno === EINVAL || errno === EOPNOTSUPP)
      return 'the map is not a sockmap or sockhash, or SEC() does not name the attach type, such as SEC("sk_skb/stream_verdict")'
    return errno === EBUSY ? 'a program is attached there already' : undefined
  },
})
