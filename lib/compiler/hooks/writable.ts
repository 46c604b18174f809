// Which members of their context programs may write. The kernel refuses a program that writes to another one.
import { hooks } from './kinds.js'

const skb = {
  classifier: ['mark', 'queue_mapping', 'priority', 'tc_index', 'cb', 'tc_classid', 'tstamp'],
  cgroup: ['mark', 'priority', 'cb', 'tstamp'],
  tunnel: ['mark', 'priority', 'cb'],
  stream: ['priority', 'tc_index'],
}

const byHook: readonly (readonly [hooks: RegExp, members: readonly string[]])[] = [
  [/^(tc|netkit)/, skb.classifier],
  [/^cgroup(In|E)gress$/, skb.cgroup],
  [/^lwt/, skb.tunnel],
  [/^skSkb/, skb.stream],
  [/^socketFilter$/, ['cb']],
  [/^sockOps$/, ['reply', 'sk_txhash']],
  [/^cgroupSysctl$/, ['file_pos']],
  [/^cgroupSock(Create|Release)$/, ['bound_dev_if', 'mark', 'priority']],
  [/^cgroupSetsockopt$/, ['level', 'optname', 'optlen']],
  [/^cgroupGetsockopt$/, ['optlen', 'retval']],
  [/^cgroup(Bind|Connect|Sendmsg|Recvmsg|Get.*name)4$/, ['user_ip4', 'user_port', 'msg_src_ip4']],
  [/^cgroup(Bind|Connect|Sendmsg|Recvmsg|Get.*name)6$/, ['user_ip6', 'user_port', 'msg_src_ip6']],
]

const contexts = new Set(
  [
    '__sk_buff xdp_md bpf_sock bpf_tcp_sock bpf_sock_addr bpf_sock_ops sk_msg_md bpf_sk_lookup sk_reuseport_md bpf_sysctl',
    'bpf_cgroup_dev_ctx bpf_sockopt bpf_perf_event_data bpf_nf_ctx',
  ].flatMap((line) => line.split(' ')),
)

/** All that some program may write, by the kernel's struct. */
export const writableSomewhere: Readonly<Record<string, readonly string[]>> = {
  __sk_buff: Object.values(skb).flat(),
  bpf_sock_ops: ['reply', 'sk_txhash'],
  bpf_sysctl: ['file_pos'],
  bpf_sock: ['bound_dev_if', 'mark', 'priority'],
  bpf_sockopt: ['level', 'optname', 'optlen', 'retval'],
  bpf_sock_addr: ['user_ip4', 'user_ip6', 'user_port', 'msg_src_ip4', 'msg_src_ip6'],
}

/** Why programs of a hook cannot write a member of their context, or of a socket; undefined if they can. */
export function whyReadOnly(hook: string, struct: string, member: string): string | undefined {
  const isOwn = hooks[hook]?.context === struct
  // These programs may do what the programs that they replace may.
  if (hook === 'freplace' || !contexts.has(struct)) return undefined
  const members = isOwn ? (byHook.find(([hooks]) => hooks.test(hook))?.[1] ?? []) : []
  if (members.includes(member)) return undefined
  const others = members.length > 0 ? `, unlike ${members.join(', ')}` : ''
  return isOwn
    ? `${hook} programs can only read '${member}'${others}`
    : `'${member}' of a struct ${struct} can only be read`
}
