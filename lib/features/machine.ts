// How a machine is set up, read from /proc and /sys. Any of their files can be hidden from this process.
import { existsSync, readdirSync } from 'node:fs'
import { release } from 'node:os'
import { type Capability, hasCapability } from '../machine/capabilities.js'
import { type Lockdown, lockdown } from '../machine/lockdown.js'
import { read } from '../machine/read.js'

/** The file systems that BPF programs and their loaders use. */
export type MountType = 'bpf' | 'tracefs' | 'debugfs' | 'cgroup2' | 'securityfs'
const usualPlaces: Readonly<Record<MountType, string>> = {
  bpf: '/sys/fs/bpf',
  tracefs: '/sys/kernel/tracing',
  debugfs: '/sys/kernel/debug',
  cgroup2: '/sys/fs/cgroup',
  securityfs: '/sys/kernel/security',
}
const mountTypes = Object.keys(usualPlaces) as MountType[]

/** How a machine is set up. A property is `undefined` if this process cannot read it. */
export interface Machine {
  /** The kernel's release, as in `uname -r`. */
  readonly release: string
  readonly architecture: string
  readonly btf: {
    /** Whether the kernel has its own types (/sys/kernel/btf/vmlinux). */
    readonly vmlinux: boolean
    /** The loaded modules that have types. */
    readonly modules: readonly string[]
  }
  /** net.core.bpf_jit_enable */
  readonly jit: 'off' | 'on' | 'debug' | undefined
  /** net.core.bpf_jit_harden: 0 for off, 1 for unprivileged users, 2 for all users */
  readonly jitHarden: number | undefined
  /**
   * kernel.unprivileged_bpf_disabled: 0 if every user may load some kinds of programs; 1 if only privileged users may,
   * until the next boot; 2 if only privileged users may, and root can change that
   */
  readonly unprivilegedBpfDisabled: number | undefined
  /** kernel.bpf_stats_enabled */
  readonly statistics: boolean | undefined
  /** kernel.perf_event_paranoid */
  readonly perfEventParanoid: number | undefined
  /** kernel.kptr_restrict */
  readonly kptrRestrict: number | undefined
  /** The kernel's lockdown mode. */
  readonly lockdown: Lockdown | undefined
  /** The active security modules. LSM programs only run if `bpf` is one of them. */
  readonly securityModules: readonly string[] | undefined
  /** Where file systems are mounted: at the usual place, or else at the first one. */
  readonly mounts: Readonly<Partial<Record<MountType, string>>>
  /** Whether this thread has each capability. */
  readonly capabilities: Readonly<Record<Capability, boolean>>
  /** Whether this process runs under a seccomp filter, which can forbid bpf(). */
  readonly seccomp: boolean
  /** The container engine that this process seems to run in. */
  readonly container: string | undefined
  /** RLIMIT_MEMLOCK in bytes. It does not matter since Linux 5.11: see 'memcg_accounting'. */
  readonly memlockLimit: number | undefined
}

/** Reads how this machine is set up. */
export function machine(): Machine {
  return {
    release: release(),
    architecture: process.arch,
    btf: { vmlinux: existsSync('/sys/kernel/btf/vmlinux'), modules: moduleNames() },
    jit: (['off', 'on', 'debug'] as const)[sysctl('net/core/bpf_jit_enable') ?? -1],
    jitHarden: sysctl('net/core/bpf_jit_harden'),
    unprivilegedBpfDisabled: sysctl('kernel/unprivileged_bpf_disabled'),
    statistics: flag(sysctl('kernel/bpf_stats_enabled')),
    perfEventParanoid: sysctl('kernel/perf_event_paranoid'),
    kptrRestrict: sysctl('kernel/kptr_restrict'),
    lockdown: lockdown(),
    securityModules: read('/sys/kernel/security/lsm')?.trim().split(','),
    mounts: mounts(),
    capabilities: {
      CAP_BPF: hasCapability('CAP_BPF'),
      CAP_PERFMON: hasCapability('CAP_PERFMON'),
      CAP_NET_ADMIN: hasCapability('CAP_NET_ADMIN'),
      CAP_SYS_ADMIN: hasCapability('CAP_SYS_ADMIN'),
    },
    seccomp: /^Seccomp:\s*2$/m.test(read('/proc/thread-self/status') ?? ''),
    container: container(),
    memlockLimit: memlockLimit(),
  }
}

function sysctl(name: string): number | undefined {
  const text = read(`/proc/sys/${name}`)
  return text === undefined ? undefined : Number.parseInt(text, 10)
}

function flag(value: number | undefined): boolean | undefined {
  return value === undefined ? undefined : value !== 0
}

function moduleNames(): string[] {
  try {
    return readdirSync('/sys/kernel/btf')
      .filter((name) => name !== 'vmlinux')
      .sort()
  } catch {
    return []
  }
}

function mounts(): Machine['mounts'] {
  const found: Partial<Record<MountType, string>> = {}
  for (const line of (read('/proc/self/mounts') ?? '').split('\n')) {
    const [, escaped = '', type] = line.split(' ')
    const known = mountTypes.find((name) => name === type)
    if (known === undefined) continue
    const path = escaped.replaceAll('\\040', ' ')
    if (path === usualPlaces[known]) found[known] = path
    else found[known] ??= path
  }
  return found
}

function container(): string | undefined {
  if (existsSync('/.dockerenv')) return 'docker'
  if (existsSync('/run/.containerenv')) return 'podman'
  const [, named] = /(?:^|\0)container=([^\0]+)/.exec(read('/proc/1/environ') ?? '') ?? []
  if (named !== undefined) return named
  const [, engine] = /(docker|kubepods|lxc|containerd)/.exec(read('/proc/1/cgroup') ?? '') ?? []
  return engine === 'kubepods' ? 'kubernetes' : engine
}

function memlockLimit(): number | undefined {
  const [, soft] = /^Max locked memory\s+(\S+)/m.exec(read('/proc/self/limits') ?? '') ?? []
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}
