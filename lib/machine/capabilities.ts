import { readFileSync } from 'node:fs'
import type { ProgramType } from '../native/type-names.js'

/** Bits of a capability set, as in linux/capability.h. */
const bits = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const
export type Capability = keyof typeof bits

const networking = new Set<string>([
  'sched_cls',
  'sched_act',
  'xdp',
  'cgroup_sock',
  'cgroup_sock_addr',
  'cgroup_device',
  'cgroup_sysctl',
  'cgroup_sockopt',
  'lwt_in',
  'lwt_out',
  'lwt_xmit',
  'lwt_seg6local',
  'sock_ops',
  'sk_skb',
  'sk_msg',
  'sk_lookup',
  'flow_dissector',
  'netfilter',
  'ext',
])
const tracing = new Set<string>([
  'kprobe',
  'tracepoint',
  'perf_event',
  'raw_tracepoint',
  'raw_tracepoint_writable',
  'tracing',
  'lsm',
  'struct_ops',
  'ext',
])

/**
 * The capabilities that loading and attaching programs of these types require (Linux 5.8; before that, CAP_SYS_ADMIN).
 *
 * @param maps - the types of the maps that they use
 */
export function capabilitiesFor(types: Iterable<ProgramType>, maps: Iterable<string> = []): Capability[] {
  const needed = new Set<Capability>(['CAP_BPF'])
  if ([...maps].includes('arena')) needed.add('CAP_PERFMON')
  for (const type of types) {
    if (networking.has(type)) needed.add('CAP_NET_ADMIN')
    if (tracing.has(type)) needed.add('CAP_PERFMON')
  }
  return [...needed]
}

function readStatus(field: string): string {
  const status = readFileSync('/proc/thread-self/status', 'utf8')
  return new RegExp(`^${field}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? ''
}

/** Whether this thread has a capability, in its user namespace. */
export function hasCapability(capability: Capability): boolean {
  return ((BigInt(`0x${readStatus('CapEff')}`) >> BigInt(bits[capability])) & 1n) === 1n
}

/** The capabilities in `needed` that this thread lacks. CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON. */
export function missingCapabilities(needed: readonly Capability[]): Capability[] {
  const isAdmin = hasCapability('CAP_SYS_ADMIN')
  return needed.filter((c) => !hasCapability(c) && !(isAdmin && c !== 'CAP_NET_ADMIN'))
}

/** Whether an EPERM is final: this process lacks no privilege that would make a difference. */
export function isRefusedForGood(needed: readonly Capability[]): boolean {
  try {
    return missingCapabilities(needed).length === 0 && readStatus('Seccomp') !== '2'
  } catch {
    return false
  }
}

function isInitialUserNamespace(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/thread-self/uid_map', 'utf8'))
}

/**
 * Why the kernel may have returned EPERM and what to do about it. `otherwise` is the reason if no privilege is missing.
 */
export function explainRefusal(
  needed: readonly Capability[],
  otherwise = 'this kernel forbids it (lockdown, hardening or a security module)',
): string {
  try {
    const lacking = missingCapabilities(needed)
    if (lacking.length > 0) {
      return `not permitted, the process lacks ${lacking.join(' and ')} (run it as root or give it these capabilities)`
    }
    if (readStatus('Seccomp') === '2') {
      return 'not permitted although the process has the capabilities: it runs under a seccomp filter, which can forbid bpf()'
    }
    if (!isInitialUserNamespace()) {
      return 'not permitted although the process has the capabilities: they only count in its own user namespace, and those of the initial one are required (run it in a privileged container, or use a BPF token with the option bpfTokenPath, Linux 6.9)'
    }
  } catch {
    return `not permitted (it requires ${needed.join(' and ')})`
  }
  return `not permitted although the process has ${needed.join(' and ')}: ${otherwise}`
}
