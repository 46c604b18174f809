import type { AttachType, ProgramType } from '../native/type-names.js'

/** What a method attaches. */
interface Takes {
  types: readonly ProgramType[]
  /** Of those types only programs for these; any without. */
  attachTypes?: readonly AttachType[]
  /** Not programs for these. */
  not?: readonly AttachType[]
  /** How such a program is declared, where the types do not say it. */
  section?: string
}

const kprobeMulti = ['trace_kprobe_multi', 'trace_kprobe_session'] as const
const uprobeMulti = ['trace_uprobe_multi', 'trace_uprobe_session'] as const
const probe: Takes = { types: ['kprobe'], not: [...kprobeMulti, ...uprobeMulti] }
const classifier: Takes = { types: ['sched_cls'] }

/** Which programs each method is for. The kernel says EINVAL to others, and takes some for what they are not. */
const takes = {
  attachKprobe: probe,
  attachKsyscall: probe,
  attachKprobeMulti: {
    types: ['kprobe'],
    attachTypes: kprobeMulti,
    section: 'kprobe.multi',
  },
  attachUprobe: probe,
  attachUprobeMulti: {
    types: ['kprobe'],
    attachTypes: uprobeMulti,
    section: 'uprobe.multi',
  },
  // libbpf makes it a uprobe.multi program where the kernel has these.
  attachUsdt: { types: ['kprobe'], not: kprobeMulti },
  attachTracepoint: { types: ['tracepoint'] },
  attachRawTracepoint: { types: ['raw_tracepoint', 'raw_tracepoint_writable'] },
  attachTracing: {
    types: ['tracing'],
    attachTypes: ['trace_raw_tp', 'trace_fentry', 'trace_fexit', 'modify_return', 'trace_fsession'],
    section: 'fentry',
  },
  attachLsm: { types: ['lsm'], attachTypes: ['lsm_mac'], section: 'lsm' },
  attachFreplace: { types: ['ext'] },
  attachPerfEvent: { types: ['perf_event'] },
  attachXdp: { types: ['xdp'] },
  attachTcx: classifier,
  attachNetkit: classifier,
  attachTc: classifier,
  attachCgroup: {
    types: [
      'cgroup_skb',
      'cgroup_sock',
      'cgroup_sock_addr',
      'cgroup_sockopt',
      'cgroup_sysctl',
      'cgroup_device',
      'sock_ops',
      'lsm',
    ],
  },
  attachNetns: { types: ['sk_lookup', 'flow_dissector'] },
  attachNetfilter: { types: ['netfilter'] },
  attachSockmap: { types: ['sk_skb', 'sk_msg'] },
  attachIter: { types: ['tracing'], attachTypes: ['trace_iter'], section: 'iter' },
  attachSocket: { types: ['socket_filter'] },
  attachReuseport: { types: ['sk_reuseport', 'socket_filter'] },
} satisfies Record<string, Takes>

export type AttachMethod = keyof typeof takes

interface Kind {
  name: string
  section: string
  type: ProgramType
  expectedAttachType: AttachType
}

/** Refuses a program that is for another method, and says for which. */
export function expectKind(method: AttachMethod, program: Kind): void {
  if (isFor(method, program)) return
  const { types, section }: Takes = takes[method]
  const { name, type } = program
  const wanted =
    section !== undefined && types.includes(type) ? `SEC("${section}") and its kin` : types.join(', ')
  throw new TypeError(
    `program '${name}' is SEC("${program.section}") of type ${type}, and ${method}() takes ${wanted}${otherWays(program)}`,
  )
}

/** "; use attachXdp()", or nothing where no method is for it. */
export function otherWays(program: Kind): string {
  const ways = Object.keys(takes)
    .filter((method) => isFor(method as AttachMethod, program))
    .map((method) => `${method}()`)
  if (ways.length === 0) return ''
  return `; use ${ways.length === 1 ? ways[0] : `${ways.slice(0, -1).join(', ')} or ${ways.at(-1)}`}`
}

function isFor(method: AttachMethod, { type, expectedAttachType }: Kind): boolean {
  const { types, attachTypes, not }: Takes = takes[method]
  return (
    types.includes(type) &&
    attachTypes?.includes(expectedAttachType) !== false &&
    not?.includes(expectedAttachType) !== true
  )
}
