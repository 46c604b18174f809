import { constants } from 'node:os'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { kernelIsOlderThan } from '../machine/kernel-version.js'
import { native } from '../native/binding.js'
import { attachTypeName } from '../native/type-names.js'
import { type AnchorOptions, anchorNumbers, whyNoPlace } from './anchor.js'
import { attachTo, type Hook } from './attachable.js'
import { withFd } from './file.js'

/** Anchors: Linux 6.17. */
export interface CgroupOptions extends AnchorOptions {
  /** Runs before the programs of child cgroups, not after them. (Linux 6.15) */
  preorder?: boolean
  /**
   * Attaches in the way from before links, and says what programs of cgroups below may do: nothing (`none`), take this one's place there (`override`), run with
   * it (`multi`). Unless it is closed it stays when the process ends, as long as the cgroup. Without it a link, which is always `multi`.
   */
  allow?: 'none' | 'override' | 'multi'
}

/** BPF_F_ALLOW_* of linux/bpf.h. */
const allows = { none: 0, override: 1 << 0, multi: 1 << 1 } as const
const BPF_F_PREORDER = 1 << 6

export function attachCgroup(program: Attachable, cgroup: string | number, options: CgroupOptions): Link {
  const place = anchorNumbers(options)
  const flags = place.flags | (options.preorder === true ? BPF_F_PREORDER : 0)
  const hasPlace = flags !== 0 || place.id !== 0 || place.revision !== 0n
  const allow = options.allow ?? (kernelIsOlderThan('5.7') ? 'multi' : undefined)
  if (allow !== undefined && !(allow in allows)) {
    throw new TypeError(`allow '${allow}' does not exist; there are ${Object.keys(allows).join(', ')}`)
  }
  if (options.allow !== undefined && hasPlace) {
    throw new TypeError('allow attaches without a link, and so without anchor, revision and preorder')
  }
  const type = program.attachType
  const target = String(cgroup)
  const hook: Hook = {
    what: `${attachTypeName(type)} of cgroup ${target}`,
    target,
    ...(hasPlace ? { since: '6.17' } : {}),
    reason: ({ errno }) => {
      if (errno === constants.errno.EBADF) return 'it is no folder of a cgroup 2 file system'
      if (errno === constants.errno.EPERM) {
        return 'not permitted: it takes CAP_NET_ADMIN, and no cgroup above may forbid it (a program there that was attached to be the only one)'
      }
      return whyNoPlace(errno)
    },
  }
  return withFd(cgroup, `attach program '${program.name}' to ${hook.what}`, (fd) =>
    attachTo(program, hook, () => {
      // Links came with 5.7. This is as near as one gets before.
      if (allow !== undefined) return native.programProgAttach(program.handle, fd, type, allows[allow])
      return native.programLinkCreate(program.handle, fd, type, flags, place.fd, place.id, place.revision)
    }),
  )
}
