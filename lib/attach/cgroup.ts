import { constants } from 'node:os'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { kernelIsOlderThan } from '../machine/kernel-version.js'
import { native } from '../native/binding.js'
import { attachTypeName } from '../native/type-names.js'
import { type AnchorOptions, anchorNumbers, whyNoPlace } from './anchor.js'
import { attachTo, type Hook } from './attachable.js'
import { withFd } from './file.js'
import { type ProgramReference, withProgramFd } from './reference.js'

/** Anchors require Linux 6.17. */
export interface CgroupOptions extends AnchorOptions {
  /** Runs before the programs of child cgroups instead of after them. (Linux 6.15) */
  preorder?: boolean
  /**
   * Attaches without a kernel link, as before Linux 5.7. The value says what child cgroups may do: attach no program
   * (`none`), replace this program for themselves (`override`), or run their own in addition (`multi`). The program
   * stays attached after the process ends, until it is closed or the cgroup is removed. Without this option a link is
   * made, which allows `multi`.
   */
  allow?: 'none' | 'override' | 'multi'
  /**
   * With `allow: 'multi'`: takes the place of this program atomically, in the order of the programs as well. (Linux 5.6)
   */
  replace?: ProgramReference
}

/** BPF_F_ALLOW_* of linux/bpf.h. */
const allows = { none: 0, override: 1 << 0, multi: 1 << 1 } as const
const BPF_F_PREORDER = 1 << 6
const BPF_F_REPLACE = 1 << 2

export function attachCgroup(program: Attachable, cgroup: string | number, options: CgroupOptions): Link {
  const place = anchorNumbers(options)
  const flags = place.flags | (options.preorder === true ? BPF_F_PREORDER : 0)
  const hasPlace = flags !== 0 || place.id !== 0 || place.revision !== 0n
  const allow = options.allow ?? (kernelIsOlderThan('5.7') ? 'multi' : undefined)
  if (allow !== undefined && !(allow in allows)) {
    throw new TypeError(`allow '${allow}' does not exist; choose from ${Object.keys(allows).join(', ')}`)
  }
  if (options.allow !== undefined && hasPlace) {
    throw new TypeError('allow attaches without a link, so anchor, revision and preorder cannot be given')
  }
  if (options.replace !== undefined && allow !== 'multi') {
    throw new TypeError("replace works only for programs without a link, so it requires allow: 'multi'")
  }
  const type = program.attachType
  const target = String(cgroup)
  const hook: Hook = {
    what: `${attachTypeName(type)} of cgroup ${target}`,
    target,
    ...(hasPlace ? { since: '6.17' } : {}),
    reason: ({ errno }) => {
      if (errno === constants.errno.EBADF) return 'it is not a folder of a cgroup v2 file system'
      if (errno === constants.errno.ENOENT && options.replace !== undefined) {
        return 'the program to replace is not attached there, or it is attached with a link'
      }
      if (errno === constants.errno.EPERM) {
        return "not permitted: CAP_NET_ADMIN is required, and no parent cgroup may have a program that was attached with allow 'none'"
      }
      return whyNoPlace(errno)
    },
  }
  return withFd(cgroup, `attach program '${program.name}' to ${hook.what}`, (fd) =>
    attachTo(program, hook, () => {
      // Before Linux 5.7 there are no links for cgroups; `multi` comes closest.
      if (allow !== undefined) {
        return withProgramFd(options.replace, 'replace the program of a cgroup', (old) => {
          const replaces = old === undefined ? 0 : BPF_F_REPLACE
          return native.programProgAttach(program.handle, fd, type, allows[allow] | replaces, old ?? 0)
        })
      }
      return native.programLinkCreate(program.handle, fd, type, flags, place.fd, place.id, place.revision)
    }),
  )
}
