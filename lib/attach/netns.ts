import { constants } from 'node:os'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { native } from '../native/binding.js'
import { attachTypeName } from '../native/type-names.js'
import { attachTo, type Hook } from './attachable.js'
import { withFd } from './file.js'

/** The network namespace of this process. */
const own = '/proc/self/ns/net'

export function attachNetns(program: Attachable, netns: string | number = own): Link {
  const type = program.attachType
  const hook: Hook = {
    what: `${attachTypeName(type)} of network namespace ${netns}`,
    target: String(netns),
    since: '5.8',
    reason: ({ errno }) => {
      const { EEXIST, E2BIG, EINVAL } = constants.errno
      if (errno === EEXIST || errno === E2BIG) return 'a program is attached there already'
      return errno === EINVAL
        ? 'it is not a network namespace, or this hook is not available in it'
        : undefined
    },
  }
  return withFd(netns, `attach program '${program.name}' to ${hook.what}`, (fd) =>
    attachTo(program, hook, () => native.programLinkCreate(program.handle, fd, type, 0, 0, 0, 0n)),
  )
}
