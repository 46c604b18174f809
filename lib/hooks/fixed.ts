// Hooks that every kernel has by the same name from some version on: those of cgroups and networks, and perf events.
import { hardware, software } from '../attach/perf-event-attr.js'
import { kernelTypes } from '../machine/kernel-types.js'
import type { Hook, HookKind, HookParameter } from './hook.js'
import { membersOf } from './members.js'

type Row = readonly [section: string, context: string, since: string]

const cgroup: readonly Row[] = [
  ['cgroup_skb/ingress', '__sk_buff', '4.10'],
  ['cgroup_skb/egress', '__sk_buff', '4.10'],
  ['cgroup/sock_create', 'bpf_sock', '4.10'],
  ['cgroup/sock_release', 'bpf_sock', '5.9'],
  ['cgroup/post_bind4', 'bpf_sock', '4.17'],
  ['cgroup/post_bind6', 'bpf_sock', '4.17'],
  ...(['bind', 'connect'] as const).flatMap((call): Row[] => [
    [`cgroup/${call}4`, 'bpf_sock_addr', '4.17'],
    [`cgroup/${call}6`, 'bpf_sock_addr', '4.17'],
  ]),
  ['cgroup/sendmsg4', 'bpf_sock_addr', '4.18'],
  ['cgroup/sendmsg6', 'bpf_sock_addr', '4.18'],
  ['cgroup/recvmsg4', 'bpf_sock_addr', '5.2'],
  ['cgroup/recvmsg6', 'bpf_sock_addr', '5.2'],
  ...(['getpeername', 'getsockname'] as const).flatMap((call): Row[] => [
    [`cgroup/${call}4`, 'bpf_sock_addr', '5.8'],
    [`cgroup/${call}6`, 'bpf_sock_addr', '5.8'],
  ]),
  ...(['connect', 'sendmsg', 'recvmsg', 'getpeername', 'getsockname'] as const).map(
    (call): Row => [`cgroup/${call}_unix`, 'bpf_sock_addr', '6.7'],
  ),
  ['cgroup/sysctl', 'bpf_sysctl', '5.2'],
  ['cgroup/getsockopt', 'bpf_sockopt', '5.3'],
  ['cgroup/setsockopt', 'bpf_sockopt', '5.3'],
  ['cgroup/dev', 'bpf_cgroup_dev_ctx', '4.15'],
  ['sockops', 'bpf_sock_ops', '4.13'],
]

const network: readonly Row[] = [
  ['xdp', 'xdp_md', '4.8'],
  ['xdp/devmap', 'xdp_md', '5.8'],
  ['xdp/cpumap', 'xdp_md', '5.9'],
  ['tcx/ingress', '__sk_buff', '6.6'],
  ['tcx/egress', '__sk_buff', '6.6'],
  ['netkit/primary', '__sk_buff', '6.7'],
  ['netkit/peer', '__sk_buff', '6.7'],
  ['tc', '__sk_buff', '4.1'],
  ['socket', '__sk_buff', '3.19'],
  ['sk_lookup', 'bpf_sk_lookup', '5.9'],
  ['sk_reuseport', 'sk_reuseport_md', '4.19'],
  ['sk_msg', 'sk_msg_md', '4.17'],
  ['sk_skb/stream_parser', '__sk_buff', '4.14'],
  ['sk_skb/stream_verdict', '__sk_buff', '4.14'],
  ['flow_dissector', '__sk_buff', '4.20'],
  ['lwt_in', '__sk_buff', '4.10'],
  ['lwt_out', '__sk_buff', '4.10'],
  ['lwt_xmit', '__sk_buff', '4.10'],
  ['lwt_seg6local', '__sk_buff', '4.18'],
  ['netfilter', 'bpf_nf_ctx', '6.4'],
]

export function* fixedHooks(
  wanted: (kind: HookKind) => boolean,
  named: (name: string) => boolean,
): Generator<Hook, undefined> {
  if (wanted('cgroup')) yield* rows('cgroup', cgroup, named)
  if (wanted('network')) yield* rows('network', network, named)
  if (!wanted('perf_event')) return undefined
  for (const name of [...hardware, ...software].filter(named)) {
    yield {
      kind: 'perf_event',
      name,
      sections: ['perf_event'],
      context: 'struct bpf_perf_event_data',
      parameters: membersIn('bpf_perf_event_data'),
      since: '4.9',
    }
  }
  return undefined
}

function* rows(kind: HookKind, table: readonly Row[], named: (name: string) => boolean): Generator<Hook> {
  for (const [section, context, since] of table) {
    if (!named(section)) continue
    yield {
      kind,
      name: section,
      sections: [section],
      context: `struct ${context}`,
      parameters: membersIn(context),
      since,
    }
  }
}

function membersIn(struct: string): HookParameter[] {
  const types = kernelTypes()
  return types === undefined ? [] : membersOf(types, struct)
}
