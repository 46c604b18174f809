import { readdirSync } from 'node:fs'
import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import { interfaceName } from '../format/names.js'
import { kernelIsOlderThan } from '../machine/kernel-version.js'
import type { XdpMemory } from './memory.js'

interface Asked {
  queue?: number
  multiBuffer?: boolean
  copyMode?: 'copy' | 'zero-copy'
  memory?: XdpMemory
}

/** Why the kernel refuses a socket; `undefined` where only the errno is known. */
export function whyNoSocket(
  { errno, operation }: NativeError,
  memory: XdpMemory,
  ifindex: number,
  asked: Asked,
): string | undefined {
  const { EAFNOSUPPORT, EBUSY, EINVAL, ENETDOWN, ENOBUFS, ENODEV, EOPNOTSUPP, EPERM } = constants.errno
  const { queue = 0, multiBuffer, copyMode } = asked
  switch (operation) {
    case 'socket':
      if (errno === EPERM) return 'it requires CAP_NET_RAW'
      return errno === EAFNOSUPPORT ? 'the kernel was built without CONFIG_XDP_SOCKETS' : undefined
    case 'XDP_UMEM_REG':
      if (errno === EINVAL && memory.txMetadata && kernelIsOlderThan('6.11'))
        return 'txMetadata requires Linux 6.11'
      if (errno !== ENOBUFS) return undefined
      return `its memory of ${memory.bytes.length / 1024} KiB is more than may be locked (ulimit -l); run with CAP_IPC_LOCK, raise the limit, or use fewer frames`
    case 'bind':
      if (errno === EBUSY) return 'the queue has another AF_XDP socket'
      if (errno === ENODEV) return 'no such interface in this network namespace'
      if (errno === ENETDOWN) return 'the interface is down; set it up first'
      if (errno === EOPNOTSUPP && copyMode === 'zero-copy') return 'its driver has no zero-copy mode'
      if (errno !== EINVAL) return undefined
      if (multiBuffer && kernelIsOlderThan('6.6')) return 'multiBuffer requires Linux 6.6'
      if (asked.memory !== undefined && kernelIsOlderThan('5.10'))
        return 'before Linux 5.10, memory can only be shared by sockets of the same queue'
      return whyInvalid(queue, queueCount(ifindex), copyMode)
    default:
      return undefined
  }
}

function whyInvalid(
  queue: number,
  queues: number | undefined,
  copyMode: Asked['copyMode'],
): string | undefined {
  if (queues === undefined) return `the interface may have no queue ${queue}`
  if (queue >= queues)
    return `the interface has ${queues === 1 ? 'one queue, which has the number 0' : `the queues 0 to ${queues - 1}`}`
  return copyMode === 'zero-copy'
    ? 'its driver may have no zero-copy mode with its present settings'
    : undefined
}

/** How many queues an interface receives with, if /sys shows it. */
function queueCount(ifindex: number): number | undefined {
  const name = interfaceName(ifindex)
  try {
    return readdirSync(`/sys/class/net/${name}/queues`).filter((queue) => queue.startsWith('rx-')).length
  } catch {
    return undefined
  }
}
