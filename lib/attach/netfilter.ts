import { constants } from 'node:os'
import type { Attachable } from '../links/attachment.js'
import type { Link } from '../links/link.js'
import { native } from '../native/binding.js'
import { attachTo, type Hook } from './attachable.js'

const families = { ipv4: 2, ipv6: 10 } as const
const hooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const

export type NetfilterFamily = keyof typeof families
export type NetfilterHook = keyof typeof hooks

export interface NetfilterOptions {
  family: NetfilterFamily
  hook: NetfilterHook
  /**
   * Programs with lower priorities run first: -2^31 + 1 to 2^31 - 2. Connection tracking has -200, filters have 0. 0
   * by default.
   */
  priority?: number
  /** Reassembles fragments before the program sees them; requires a `priority` above -400. (Linux 6.6) */
  defragment?: boolean
}

const BPF_F_NETFILTER_IP_DEFRAG = 1 << 0

export function attachNetfilter(program: Attachable, options: NetfilterOptions): Link {
  const { priority = 0, defragment = false } = options
  const family = numberOf('netfilter family', families, options.family)
  const hook = numberOf('netfilter hook', hooks, options.hook)
  const where: Hook = {
    what: `netfilter hook '${options.hook}' of ${options.family} with priority ${priority}`,
    target: options.hook,
    since: defragment ? '6.6' : '6.4',
    reason: ({ errno }) => {
      if (errno === constants.errno.EBUSY || errno === constants.errno.EEXIST)
        return 'another program already has that priority'
      if (errno === constants.errno.ERANGE) return 'the priority must be between -2^31 + 1 and 2^31 - 2'
      if (errno === constants.errno.EAFNOSUPPORT)
        return 'this kernel is built without netfilter for that family'
      return undefined
    },
  }
  return attachTo(program, where, () =>
    native.programAttachNetfilter(
      program.handle,
      family,
      hook,
      priority,
      defragment ? BPF_F_NETFILTER_IP_DEFRAG : 0,
    ),
  )
}

function numberOf<Name extends string>(what: string, numbers: Record<Name, number>, name: Name): number {
  const number = numbers[name]
  if (number === undefined) {
    throw new TypeError(`${what} '${name}' does not exist; choose from ${Object.keys(numbers).join(', ')}`)
  }
  return number
}
