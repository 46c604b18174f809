import type { AttachType, ProgramType } from '../native/type-names.js'

/** Which programs a method attaches. */
interface Takes {
  types: readonly ProgramType[]
  /** Only programs with one of these attach types; any if it is missing. */
  attachTypes?: readonly AttachType[]
  /** No programs with these attach types. */
  not?: readonly AttachType[]
  /** The section of such a program, if the program type alone does not tell it apart. */
  section?: string
}

const kprobeMulti = ['trace_kprobe_multi', 'trace_kprobe_session'] as const
const uprobeMulti = ['trace_uprobe_multi', 'trace_uprobe_session'] as const
const probe: Takes = { types: ['kprobe'], not: [...kprobeMulti, ...uprobeMulti] }
const classifier: Takes = { types: ['sched_cls'] }

/** The kernel answers EINVAL to other programs, and accepts some of them as something that they are not. */
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
  // libbpf loads it as a uprobe.multi program if the kernel knows them.
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
  attachLirc: { types: ['lirc_mode2'] },
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

/** The attach type of a program type that has only one, for programs whose section is not known. */
export const onlyAttachTypes: Partial<Record<ProgramType, AttachType>> = {
  sock_ops: 'cgroup_sock_ops',
  cgroup_device: 'cgroup_device',
  cgroup_sysctl: 'cgroup_sysctl',
  sk_lookup: 'sk_lookup',
  flow_dissector: 'flow_dissector',
  sk_msg: 'sk_msg_verdict',
  xdp: 'xdp',
}

/** The methods that pass the attach type to the kernel, with a section as an example. */
const needsAttachType: Partial<Record<AttachMethod, string>> = {
  attachCgroup: 'cgroup_skb/egress',
  attachSockmap: 'sk_skb/stream_verdict',
}

/** Refuses a program that belongs to another method, and names that method. */
export function expectKind(method: AttachMethod, program: Kind): void {
  if (isFor(method, program)) {
    const example = needsAttachType[method]
    if (program.section !== '' || example === undefined || program.type in onlyAttachTypes) return
    throw new TypeError(
      `program '${program.name}' was opened without a section, and ${method}() needs to know what it is for: ` +
        `open it with { section: '${example}' } or whatever its SEC() says`,
    )
  }
  const { types, section }: Takes = takes[method]
  const { name, type } = program
  const wanted =
    section !== undefined && types.includes(type)
      ? `SEC("${section}") and related sections`
      : types.join(', ')
  throw new TypeError(
    `program '${name}' is ${says(program)}, but ${method}() is for ${wanted}${proposal(program)}`,
  )
}

function says({ section, type }: Kind): string {
  return section === '' ? `of type ${type}` : `SEC("${section}") of type ${type}`
}

/** Says why attach() has nothing to attach the program to, and what to do instead. */
export function whyNoTarget(program: Kind): string {
  const { section, type, expectedAttachType } = program
  if (section === '') {
    const instead = notAttached[type]
    return instead === undefined
      ? `it was opened without a section, so its target is not known${proposal(program)}`
      : `programs of type ${type} are not attached; ${instead}`
  }
  if (expectedAttachType === 'xdp_devmap' || expectedAttachType === 'xdp_cpumap') {
    return `SEC("${section}") programs are not attached; set the program as a value of a ${expectedAttachType.slice(4)}`
  }
  const instead = notAttached[type]
  if (instead !== undefined) return `SEC("${section}") programs are not attached; ${instead}`
  return `SEC("${section}") does not name a target${proposal(program)}`
}

const route = (direction: string) =>
  `pin the program and give it to a route: 'ip route add ... encap bpf ${direction} pinned PATH ...'`

/** What to do with programs that run without being attached, or that other tools attach. */
const notAttached: Partial<Record<ProgramType, string>> = {
  syscall: 'run the program with testRun()',
  struct_ops: 'attach their map with attachStructOps()',
  lwt_in: route('in'),
  lwt_out: route('out'),
  lwt_xmit: route('xmit'),
  lwt_seg6local:
    "pin the program and give it to a route: 'ip -6 route add ... encap seg6local action End.BPF endpoint object-pinned PATH ...'",
  sched_act: "pin the program and give it to a filter: 'tc filter add ... action bpf object-pinned PATH'",
}

/** "; use attachXdp()", or nothing if no method fits. */
function proposal(program: Kind): string {
  const methods = Object.keys(takes).filter((method) => isFor(method as AttachMethod, program))
  const bySection = methodOf(program.section)
  const fitting = bySection !== undefined && methods.includes(bySection) ? [bySection] : methods
  const calls = fitting.map((method) => `${method}()`)
  if (calls.length === 0) return ''
  return `; use ${calls.length === 1 ? calls[0] : `${calls.slice(0, -1).join(', ')} or ${calls.at(-1)}`}`
}

/** The method for a section, where several methods are for programs of one type. */
function methodOf(section: string): AttachMethod | undefined {
  const [, kind = ''] = /^([a-z_]+?)(?:\.s)?(?:\/|$)/.exec(section) ?? []
  const methods: Record<string, AttachMethod> = {
    kprobe: 'attachKprobe',
    kretprobe: 'attachKprobe',
    ksyscall: 'attachKsyscall',
    kretsyscall: 'attachKsyscall',
    uprobe: 'attachUprobe',
    uretprobe: 'attachUprobe',
    usdt: 'attachUsdt',
    tcx: 'attachTcx',
    netkit: 'attachNetkit',
    sk_reuseport: 'attachReuseport',
    socket: 'attachSocket',
  }
  return methods[kind]
}

function isFor(method: AttachMethod, { type, section, expectedAttachType }: Kind): boolean {
  const { types, attachTypes, not }: Takes = takes[method]
  // Without a section, only the kernel knows the attach type, and checks it.
  if (section === '') return types.includes(type)
  return (
    types.includes(type) &&
    attachTypes?.includes(expectedAttachType) !== false &&
    not?.includes(expectedAttachType) !== true
  )
}
