import { KernelTypes } from '../compiler/kernel-types.js'
import { runningKernel } from '../compiler/running-kernel.js'
import { expectTracing } from '../trace/permissions.js'
import { session } from '../trace/several.js'
import { type EventTool, onlyPid } from './tool.js'

interface Check {
  readonly pid: number
  readonly uid: number
  readonly comm: string
  readonly cap: number
}

/** By their numbers. */
const names = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP'],
  ...[
    'LINUX_IMMUTABLE',
    'NET_BIND_SERVICE',
    'NET_BROADCAST',
    'NET_ADMIN',
    'NET_RAW',
    'IPC_LOCK',
    'IPC_OWNER',
  ],
  ...[
    'SYS_MODULE',
    'SYS_RAWIO',
    'SYS_CHROOT',
    'SYS_PTRACE',
    'SYS_PACCT',
    'SYS_ADMIN',
    'SYS_BOOT',
    'SYS_NICE',
  ],
  ...[
    'SYS_RESOURCE',
    'SYS_TIME',
    'SYS_TTY_CONFIG',
    'MKNOD',
    'LEASE',
    'AUDIT_WRITE',
    'AUDIT_CONTROL',
    'SETFCAP',
  ],
  ...['MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ', 'PERFMON', 'BPF'],
  'CHECKPOINT_RESTORE',
]

export const tool: EventTool<Check> = {
  summary: 'Capabilities that are asked for',
  help: 'Prints a line for each time that the kernel checks a capability of a process.',
  columns: [
    ['PID', 8, ({ pid }) => pid],
    ['UID', 6, ({ uid }) => uid],
    ['COMM', 16, ({ comm }) => comm],
    ['CAPABILITY', 0, ({ cap }) => `CAP_${names[cap] ?? cap}`],
  ],
  async open(options) {
    expectTracing()
    // Newer kernels have a tracepoint, which needs no kprobes.
    const hasTracepoint = new KernelTypes(runningKernel()).tracepoint('cap_capable') !== undefined
    const probe = hasTracepoint ? 'rt:cap_capable' : 'kprobe:cap_capable'
    const checked = '(r) => ({ pid: r.pid, uid: r.uid, comm: r.comm, cap: u32(r.args.cap) })'
    return session({}, [[probe, checked]], onlyPid(options))
  },
}
