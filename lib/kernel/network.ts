// Lists the programs on the interfaces of a network namespace, no matter who attached them and how.

import { type Interface, interfaceIndex } from '../attach/interface.js'
import { type Attached, queryNetkit, queryNetns, queryTcx } from '../attach/query.js'
import type { XdpMode } from '../attach/xdp.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import type { NetfilterLinkInfo } from '../links/link-info.js'
import { littleEndian } from '../machine/byte-order.js'
import { type Message, routeDump } from '../machine/netlink.js'
import { listLinks } from './inventory.js'

export interface XdpAttachment {
  interface: string
  ifindex: number
  programId: number
  mode: XdpMode
}

/** A classifier of traffic control, or a TCX or netkit program. */
export interface TcAttachment {
  interface: string
  ifindex: number
  programId: number
  /** 'tcx/ingress', 'netkit/peer', 'clsact/egress', or the kind of a qdisc or class, such as 'htb'. */
  kind: string
  /** For classifiers: what `tc` or libbpf called it. */
  name?: string
  /** For classifiers: where it is attached. {@link TcHook.detach} removes it. */
  parent?: number
  handle?: number
  priority?: number
  /** For TCX and netkit: the link; `undefined` if it was attached without one. */
  linkId?: number | undefined
}

/** The programs of a network namespace. */
export interface NetworkPrograms {
  xdp: XdpAttachment[]
  /** In the order in which they run: TCX, netkit, then classifiers. */
  tc: TcAttachment[]
  /** Flow dissectors of the namespace. */
  flowDissector: { programId: number }[]
  /** The links of all network namespaces, which the kernel does not tell apart. */
  netfilter: NetfilterLinkInfo[]
}

/** RTM_* of linux/rtnetlink.h. */
const requests = { link: 18, qdisc: 38, class: 42, filter: 46 } as const
/** IFLA_*, IFLA_XDP_*, TCA_* and TCA_BPF_* of linux/if_link.h, linux/rtnetlink.h and linux/pkt_cls.h. */
const IFLA_IFNAME = 3
const IFLA_XDP = 43
const xdpAttributes = { attached: 2, program: 4, native: 5, generic: 6, offload: 7 } as const
const modes = [undefined, 'native', 'generic', 'offload'] as const
const TCA_KIND = 1
const TCA_OPTIONS = 2
const TCA_BPF_NAME = 7
const TCA_BPF_ID = 11

/** TC_H_* of linux/pkt_sched.h. */
const TC_H_CLSACT = 0xffff0000
const fixedParents = [
  ['root', 0xffffffff],
  ['clsact/ingress', TC_H_CLSACT + 0xfff2],
  ['clsact/egress', TC_H_CLSACT + 0xfff3],
] as const

/**
 * Lists the programs of all interfaces in the network namespace of this thread: XDP, TCX, netkit, classifiers of traffic
 * control; also its flow dissectors, and the netfilter links of the machine. (netlink and `bpf_prog_query_opts`;
 * requires CAP_NET_ADMIN, netfilter CAP_SYS_ADMIN)
 *
 * @param options - `interface`: only this one
 *
 * @example
 * for (const { interface: name, programId } of networkPrograms().xdp) {
 *   detachXdp(name, { program: { programId } })
 * }
 */
export function networkPrograms({ interface: only }: { interface?: Interface } = {}): NetworkPrograms {
  const wanted = only === undefined ? undefined : interfaceIndex(only)
  const interfaces = attempt({ what: 'list the interfaces' }, () =>
    routeDump(requests.link, new Uint8Array(16)),
  )
    .map((message) => ({
      name: message.attributes.text(IFLA_IFNAME) ?? '',
      ifindex: message.body.getInt32(4, littleEndian),
      message,
    }))
    .filter(({ ifindex }) => wanted === undefined || ifindex === wanted)
  return {
    xdp: interfaces.flatMap(({ name, ifindex, message }) => xdpOf(name, ifindex, message)),
    tc: interfaces.flatMap(({ name, ifindex }) => [...linkedOf(name, ifindex), ...filtersOf(name, ifindex)]),
    flowDissector: optional(() => queryNetns('/proc/self/ns/net', 'flow_dissector')).map(({ programId }) => ({
      programId,
    })),
    netfilter: netfilterLinks(),
  }
}

function xdpOf(name: string, ifindex: number, { attributes }: Message): XdpAttachment[] {
  const xdp = attributes.nested(IFLA_XDP)
  const mode = modes[xdp.u8(xdpAttributes.attached) ?? 0]
  const at = (mode: XdpMode, programId: number | undefined): XdpAttachment[] =>
    programId === undefined || programId === 0 ? [] : [{ interface: name, ifindex, mode, programId }]
  if (mode !== undefined) return at(mode, xdp.u32(xdpAttributes.program))
  return (['generic', 'native', 'offload'] as const).flatMap((one) => at(one, xdp.u32(xdpAttributes[one])))
}

function linkedOf(name: string, ifindex: number): TcAttachment[] {
  const at = (kind: string, attached: () => Attached): TcAttachment[] =>
    optional(attached).map(({ programId, linkId }) => ({ interface: name, ifindex, kind, programId, linkId }))
  return [
    ...at('tcx/ingress', () => queryTcx(ifindex, 'ingress')),
    ...at('tcx/egress', () => queryTcx(ifindex, 'egress')),
    ...at('netkit/primary', () => queryNetkit(ifindex, 'primary')),
    ...at('netkit/peer', () => queryNetkit(ifindex, 'peer')),
  ]
}

/** None if the kernel or the device does not have such hooks. */
function optional(query: () => Attached): Attached['programs'] {
  try {
    return query().programs
  } catch (error) {
    if (error instanceof BpfError && error.code !== 'EPERM') return []
    throw error
  }
}

function filtersOf(name: string, ifindex: number): TcAttachment[] {
  const dump = (request: number, parent: number): Message[] => {
    const body = new DataView(new ArrayBuffer(20))
    body.setInt32(4, ifindex, littleEndian)
    body.setUint32(12, parent, littleEndian)
    return attempt({ what: `list the classifiers of '${name}'`, target: name }, () =>
      routeDump(request, new Uint8Array(body.buffer)),
    ).filter((message) => message.body.getInt32(4, littleEndian) === ifindex)
  }
  const named = [...dump(requests.class, 0), ...dump(requests.qdisc, 0)]
    .map(
      ({ body, attributes }) =>
        [attributes.text(TCA_KIND) ?? 'unknown', body.getUint32(8, littleEndian)] as const,
    )
    .filter(([kind, handle]) => kind !== 'clsact' && handle !== 0)
  return [...named, ...fixedParents].flatMap(([kind, parent]) =>
    dump(requests.filter, parent).flatMap(({ body, attributes }) => {
      const filter = attributes.nested(TCA_OPTIONS)
      const programId = filter.u32(TCA_BPF_ID)
      if (attributes.text(TCA_KIND) !== 'bpf' || programId === undefined) return []
      const handle = body.getUint32(8, littleEndian)
      const priority = body.getUint32(16, littleEndian) >>> 16
      const label = filter.text(TCA_BPF_NAME)
      return [
        {
          interface: name,
          ifindex,
          kind,
          ...(label !== undefined && { name: label }),
          programId,
          parent,
          handle,
          priority,
        },
      ]
    }),
  )
}

function netfilterLinks(): NetfilterLinkInfo[] {
  try {
    return [...listLinks()]
      .filter((info) => info.type === 'netfilter')
      .sort(
        (a, b) =>
          a.protocolFamily - b.protocolFamily ||
          a.hook - b.hook ||
          a.priority - b.priority ||
          a.flags - b.flags,
      )
  } catch (error) {
    // Links cannot be listed before Linux 5.8, nor without CAP_SYS_ADMIN.
    if (error instanceof BpfError) return []
    throw error
  }
}
