// What this machine can and cannot do, check by check.
import { features } from '../features/features.js'
import type { Machine } from '../features/machine.js'
import type { Capability } from '../machine/capabilities.js'
import { hasKprobes } from '../machine/kallsyms.js'
import { kernelIsOlderThan } from '../machine/kernel-version.js'
import { type Finding, note, ok, problem } from './finding.js'

export function examineMachine(machine: Machine): Finding[] {
  return [
    kernel(machine),
    privileges(machine),
    systemCall(machine),
    ...surroundings(machine),
    btf(machine),
    jit(machine),
    lockdown(machine),
    unprivileged(machine),
    ...memlock(machine),
    ringbuf(),
    ...perfEvents(machine),
    kprobes(machine),
    fentry(),
    lsm(machine),
    mount(
      machine,
      'tracefs',
      'tracepoints are looked up there',
      'mount -t tracefs tracefs /sys/kernel/tracing',
    ),
    bpffs(machine),
    mount(machine, 'cgroup2', 'cgroup programs need it', 'mount -t cgroup2 cgroup2 /sys/fs/cgroup'),
  ]
}

function kernel({ release, architecture }: Machine): Finding {
  const says = `Linux ${release} on ${architecture}`
  if (!kernelIsOlderThan('5.8')) return ok('kernel', says)
  return note(
    'kernel',
    `${says}: ring buffers and CAP_BPF came with 5.8`,
    'use a newer kernel, or a perf buffer and CAP_SYS_ADMIN',
  )
}

const wanted: Readonly<Partial<Record<Capability, string>>> = {
  CAP_BPF: 'any program or map',
  CAP_PERFMON: 'tracing',
  CAP_NET_ADMIN: 'networking',
}

function privileges({ capabilities }: Machine): Finding {
  const lacking = (Object.keys(wanted) as Capability[]).filter(
    (name) => !capabilities[name] && !(capabilities.CAP_SYS_ADMIN && name !== 'CAP_NET_ADMIN'),
  )
  if (lacking.length === 0) {
    if (capabilities.CAP_SYS_ADMIN) return ok('privileges', 'all capabilities that BPF requires')
    return ok(
      'privileges',
      'CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN; inspecting the programs of other processes also requires CAP_SYS_ADMIN',
    )
  }
  const names = lacking.map((name) => `${name} (${wanted[name]})`).join(', ')
  return problem(
    'privileges',
    `this process lacks ${names}`,
    "run it as root, or 'setcap cap_bpf,cap_perfmon,cap_net_admin+ep' on a copy of node",
  )
}

/** Whether the simplest program loads. */
function systemCall(machine: Machine): Finding {
  const { answer, reason = '' } = features.programType('socket_filter')
  if (answer === 'yes') return ok('bpf()', 'programs load')
  if (machine.seccomp) {
    return problem(
      'bpf()',
      `no program loads, possibly because of a seccomp filter: ${reason}`,
      "allow bpf() and perf_event_open() in the container's seccomp profile",
    )
  }
  return problem(
    'bpf()',
    `no program loads: ${reason}`,
    answer === 'unknown' ? 'see privileges' : 'use a kernel with CONFIG_BPF_SYSCALL=y',
  )
}

function surroundings({ container, seccomp }: Machine): Finding[] {
  if (container === undefined)
    return seccomp ? [note('seccomp', 'this process runs under a filter, which can forbid bpf()')] : []
  return [
    note(
      'container',
      `this looks like ${container}: process ids, mounts and network interfaces are those of the container`,
      "share what you need: the host's PID namespace, /sys/kernel/tracing, /sys/fs/bpf",
    ),
  ]
}

function btf({ btf }: Machine): Finding {
  if (btf.vmlinux) return ok('BTF', 'the kernel has its types: CO-RE works')
  return problem(
    'BTF',
    'the kernel does not expose its types (/sys/kernel/btf/vmlinux): CO-RE, fentry and iterators do not work',
    'use a kernel with CONFIG_DEBUG_INFO_BTF=y, mount /sys, or give BTF of this kernel in the option btfCustomPath',
  )
}

function jit({ jit }: Machine): Finding {
  if (jit === 'off')
    return note(
      'JIT',
      'off: programs are interpreted and many times slower',
      'sysctl net.core.bpf_jit_enable=1',
    )
  if (jit === 'debug')
    return note('JIT', 'on, and it writes its output to the kernel log', 'sysctl net.core.bpf_jit_enable=1')
  return jit === undefined ? note('JIT', 'unknown: only root may read the sysctl') : ok('JIT', 'on')
}

function lockdown({ lockdown }: Machine): Finding {
  switch (lockdown) {
    case 'confidentiality':
      return problem(
        'lockdown',
        'confidentiality: kprobes and bpf_probe_read_kernel (BPF_CORE_READ) are refused',
        'boot with lockdown=integrity or without lockdown, or use fentry and tp_btf, which read pointers without it',
      )
    case 'integrity':
      return note('lockdown', 'integrity: bpf_probe_write_user is refused, everything else works')
    case 'none':
      return ok('lockdown', 'none')
    default:
      return note(
        'lockdown',
        'unknown: securityfs is not mounted',
        'mount -t securityfs securityfs /sys/kernel/security',
      )
  }
}

function unprivileged({ unprivilegedBpfDisabled }: Machine): Finding {
  switch (unprivilegedBpfDisabled) {
    case 0:
      return note(
        'unprivileged bpf',
        'any user may load socket filters, which attackers have used to exploit the kernel',
        'sysctl kernel.unprivileged_bpf_disabled=1',
      )
    case undefined:
      return note('unprivileged bpf', 'unknown: the sysctl cannot be read')
    default:
      return ok('unprivileged bpf', `disabled (${unprivilegedBpfDisabled}), as it should be`)
  }
}

/** Before Linux 5.11 maps count against a limit, which libbpf raises if it may. */
function memlock({ memlockLimit }: Machine): Finding[] {
  if (features.verifier('memcg_accounting').answer !== 'no') return []
  if (memlockLimit === Number.POSITIVE_INFINITY) return [ok('memlock', 'unlimited')]
  return [
    note(
      'memlock',
      `maps count against ${memlockLimit} bytes of locked memory; libbpf raises the limit if the process has CAP_SYS_RESOURCE`,
      'ulimit -l unlimited, or LimitMEMLOCK=infinity in the systemd unit',
    ),
  ]
}

function ringbuf(): Finding {
  const { answer, reason } = features.mapType('ringbuf')
  if (answer === 'yes') return ok('ring buffer', 'yes')
  if (answer === 'unknown') return note('ring buffer', `unknown: ${reason}`)
  return note('ring buffer', `no: ${reason}`, 'libbpf-node.bpf.h falls back to a perf buffer')
}

/** Kprobes, uprobes and tracepoints are attached with perf_event_open(). */
function perfEvents({ perfEventParanoid = 0, capabilities }: Machine): Finding[] {
  if (perfEventParanoid <= 2 || capabilities.CAP_SYS_ADMIN) return []
  return [
    note(
      'perf events',
      `kernel.perf_event_paranoid is ${perfEventParanoid}: single kprobes and uprobes, tracepoints and samples require CAP_SYS_ADMIN`,
      'sysctl kernel.perf_event_paranoid=2, then CAP_PERFMON is enough; or use raw tracepoints, fentry or kprobe.multi',
    ),
  ]
}

function kprobes({ lockdown }: Machine): Finding {
  if (lockdown === 'confidentiality')
    return note('kprobes', 'no: the kernel is locked down', 'use fentry, tp_btf or raw tracepoints')
  if (hasKprobes()) return ok('kprobes', 'yes')
  return note(
    'kprobes',
    'no: the kernel is built without them',
    'use tracepoints or fentry, or a kernel with CONFIG_KPROBES=y',
  )
}

function fentry(): Finding {
  const { answer, reason } = features.attachType('trace_fentry')
  if (answer === 'yes') return ok('fentry', 'yes, and fexit')
  if (answer === 'unknown') return note('fentry', `unknown: ${reason}`)
  return note(
    'fentry',
    `no: ${reason}`,
    'use tp_btf, raw tracepoints or kprobes instead; they can do most of the same things',
  )
}

function lsm({ securityModules }: Machine): Finding {
  const { answer, reason } = features.attachType('lsm_mac')
  if (answer === 'unknown') return note('LSM programs', `unknown: ${reason}`)
  if (answer === 'no') return note('LSM programs', `no: ${reason}`)
  if (securityModules === undefined)
    return note('LSM programs', 'they load; without securityfs it is unknown whether they run')
  if (securityModules.includes('bpf')) return ok('LSM programs', 'yes')
  return note(
    'LSM programs',
    'they load but do not run: bpf is not among the active security modules',
    `boot with lsm=${[...securityModules, 'bpf'].join(',')}`,
  )
}

/** libbpf pins maps with LIBBPF_PIN_BY_NAME there. */
const usualBpffs = '/sys/fs/bpf'

function bpffs({ mounts }: Machine): Finding {
  const command = `mount -t bpf bpf ${usualBpffs}`
  if (mounts.bpf === undefined) return note('bpffs', 'not mounted; pins need it', command)
  if (mounts.bpf === usualBpffs) return ok('bpffs', `mounted at ${mounts.bpf}`)
  return note(
    'bpffs',
    `mounted at ${mounts.bpf}, but not at ${usualBpffs}, where maps with LIBBPF_PIN_BY_NAME are pinned`,
    `${command}, or give the option pinRootPath: '${mounts.bpf}'`,
  )
}

function mount({ mounts }: Machine, type: keyof Machine['mounts'], why: string, command: string): Finding {
  const path = mounts[type]
  if (path !== undefined) return ok(type, `mounted at ${path}`)
  // In a container the host's /sys can be visible without a mount of its own.
  return note(type, `not mounted; ${why}`, command)
}
