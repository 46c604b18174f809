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
    mount(machine, 'bpf', 'pins need it', 'mount -t bpf bpf /sys/fs/bpf', 'bpffs'),
    mount(machine, 'cgroup2', 'cgroup programs need it', 'mount -t cgroup2 cgroup2 /sys/fs/cgroup'),
  ]
}

function kernel({ release, architecture }: Machine): Finding {
  const says = `Linux ${release} on ${architecture}`
  if (!kernelIsOlderThan('5.8')) return ok('kernel', says)
  return note(
    'kernel',
    `${says}: ring buffers and CAP_BPF came with 5.8`,
    'take a newer kernel, or a perf buffer and CAP_SYS_ADMIN',
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
    if (capabilities.CAP_SYS_ADMIN) return ok('privileges', 'all capabilities that BPF asks for')
    return ok(
      'privileges',
      "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN; seeing others' programs takes CAP_SYS_ADMIN, too",
    )
  }
  const names = lacking.map((name) => `${name} (${wanted[name]})`).join(', ')
  return problem(
    'privileges',
    `this process lacks ${names}`,
    "run it as root, or 'setcap cap_bpf,cap_perfmon,cap_net_admin+ep' on a copy of node",
  )
}

/** Whether the simplest program of all loads. */
function systemCall(machine: Machine): Finding {
  const { answer, reason = '' } = features.programType('socket_filter')
  if (answer === 'yes') return ok('bpf()', 'programs load')
  if (machine.seccomp) {
    return problem(
      'bpf()',
      `no program loads, and a seccomp filter may be why: ${reason}`,
      "allow bpf() and perf_event_open() in the container's seccomp profile",
    )
  }
  return problem(
    'bpf()',
    `no program loads: ${reason}`,
    answer === 'unknown' ? 'see privileges' : 'a kernel with CONFIG_BPF_SYSCALL',
  )
}

function surroundings({ container, seccomp }: Machine): Finding[] {
  if (container === undefined)
    return seccomp ? [note('seccomp', 'this process runs under a filter, which may forbid bpf()')] : []
  return [
    note(
      'container',
      `this looks like ${container}: process ids, mounts and interfaces are the container's`,
      "share what is needed: the host's PID namespace, /sys/kernel/tracing, /sys/fs/bpf",
    ),
  ]
}

function btf({ btf }: Machine): Finding {
  if (btf.vmlinux) return ok('BTF', 'the kernel carries its types: CO-RE works')
  return problem(
    'BTF',
    'the kernel does not show its types (/sys/kernel/btf/vmlinux): no CO-RE, no fentry, no iterators',
    'a kernel with CONFIG_DEBUG_INFO_BTF=y, /sys mounted, or the option btfCustomPath with BTF made for this kernel',
  )
}

function jit({ jit }: Machine): Finding {
  if (jit === 'off')
    return note('JIT', 'off: programs are interpreted, many times slower', 'sysctl net.core.bpf_jit_enable=1')
  if (jit === 'debug')
    return note('JIT', 'on, and writes its output to the kernel log', 'sysctl net.core.bpf_jit_enable=1')
  return jit === undefined ? note('JIT', 'cannot be told, only root may read the sysctl') : ok('JIT', 'on')
}

function lockdown({ lockdown }: Machine): Finding {
  switch (lockdown) {
    case 'confidentiality':
      return problem(
        'lockdown',
        'confidentiality: kprobes and bpf_probe_read_kernel (BPF_CORE_READ) are refused',
        'boot with lockdown=integrity or without; or fentry and tp_btf, whose pointers are read without it',
      )
    case 'integrity':
      return note('lockdown', 'integrity: bpf_probe_write_user is refused, the rest works')
    case 'none':
      return ok('lockdown', 'none')
    default:
      return note(
        'lockdown',
        'cannot be told: securityfs is not mounted',
        'mount -t securityfs securityfs /sys/kernel/security',
      )
  }
}

function unprivileged({ unprivilegedBpfDisabled }: Machine): Finding {
  switch (unprivilegedBpfDisabled) {
    case 0:
      return note(
        'unprivileged bpf',
        'anybody may load socket filters, which has been a way into kernels',
        'sysctl kernel.unprivileged_bpf_disabled=1',
      )
    case undefined:
      return note('unprivileged bpf', 'cannot be told: the sysctl cannot be read')
    default:
      return ok('unprivileged bpf', `disabled (${unprivilegedBpfDisabled}), as it should be`)
  }
}

/** Before 5.11 maps count against a limit, which libbpf lifts where it may. */
function memlock({ memlockLimit }: Machine): Finding[] {
  if (features.verifier('memcg_accounting').answer !== 'no') return []
  if (memlockLimit === Number.POSITIVE_INFINITY) return [ok('memlock', 'unlimited')]
  return [
    note(
      'memlock',
      `maps count against ${memlockLimit} bytes of locked memory; libbpf lifts the limit where it has CAP_SYS_RESOURCE`,
      'ulimit -l unlimited, or LimitMEMLOCK=infinity in the systemd unit',
    ),
  ]
}

function ringbuf(): Finding {
  const { answer, reason } = features.mapType('ringbuf')
  if (answer === 'yes') return ok('ring buffer', 'yes')
  if (answer === 'unknown') return note('ring buffer', `cannot be told: ${reason}`)
  return note('ring buffer', `no: ${reason}`, 'libbpf-node.bpf.h takes a perf buffer instead')
}

/** Kprobes, uprobes and tracepoints go through perf_event_open(). */
function perfEvents({ perfEventParanoid = 0, capabilities }: Machine): Finding[] {
  if (perfEventParanoid <= 2 || capabilities.CAP_SYS_ADMIN) return []
  return [
    note(
      'perf events',
      `kernel.perf_event_paranoid is ${perfEventParanoid}: single kprobes and uprobes, tracepoints and samples take CAP_SYS_ADMIN`,
      'sysctl kernel.perf_event_paranoid=2, and CAP_PERFMON is enough; or raw tracepoints, fentry, kprobe.multi',
    ),
  ]
}

function kprobes({ lockdown }: Machine): Finding {
  if (lockdown === 'confidentiality')
    return note('kprobes', 'no: the kernel is locked down', 'fentry, tp_btf or raw tracepoints')
  if (hasKprobes()) return ok('kprobes', 'yes')
  return note(
    'kprobes',
    'no: the kernel is built without them',
    'tracepoints and fentry, or a kernel with CONFIG_KPROBES=y',
  )
}

function fentry(): Finding {
  const { answer, reason } = features.attachType('trace_fentry')
  if (answer === 'yes') return ok('fentry', 'yes, and fexit')
  if (answer === 'unknown') return note('fentry', `cannot be told: ${reason}`)
  return note('fentry', `no: ${reason}`, 'tp_btf, raw tracepoints or kprobes do much of the same')
}

function lsm({ securityModules }: Machine): Finding {
  const { answer, reason } = features.attachType('lsm_mac')
  if (answer === 'unknown') return note('LSM programs', `cannot be told: ${reason}`)
  if (answer === 'no') return note('LSM programs', `no: ${reason}`)
  if (securityModules === undefined)
    return note('LSM programs', 'they load; whether they run cannot be told without securityfs')
  if (securityModules.includes('bpf')) return ok('LSM programs', 'yes')
  return note(
    'LSM programs',
    "they load, and don't run: bpf is not among the active security modules",
    `boot with lsm=${[...securityModules, 'bpf'].join(',')}`,
  )
}

function mount(
  { mounts }: Machine,
  type: keyof Machine['mounts'],
  why: string,
  command: string,
  name: string = type,
): Finding {
  const path = mounts[type]
  if (path !== undefined) return ok(name, `mounted at ${path}`)
  // In a container the host's /sys may be there without being mounted in its own right.
  return note(name, `not mounted; ${why}`, command)
}
