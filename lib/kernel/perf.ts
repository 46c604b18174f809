// Lists the programs that run at probes, tracepoints and perf events that processes have open.
import { readdirSync, readlinkSync } from 'node:fs'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { native } from '../native/binding.js'

/** A program that is attached to a descriptor of a process. */
export interface PerfAttachment {
  /** The process that has the descriptor. */
  pid: number
  fd: number
  programId: number
  type: 'raw_tracepoint' | 'tracepoint' | 'kprobe' | 'kretprobe' | 'uprobe' | 'uretprobe'
  /** The tracepoint, the function of the kernel, or the file of a uprobe; '' for a probe at an address. */
  name: string
  /** The offset from the function or from the beginning of the file, in bytes. */
  offset: bigint
  /** The address of a kprobe; 0n if it is hidden from this process. */
  address: bigint
}

/** BPF_FD_TYPE_* of linux/bpf.h. */
const types = ['raw_tracepoint', 'tracepoint', 'kprobe', 'kretprobe', 'uprobe', 'uretprobe'] as const

/**
 * Lists the programs at probes and tracepoints that processes hold as perf events or raw tracepoints, including those
 * without links. Processes of other PID namespaces are not found. (`bpf_task_fd_query`, Linux 4.18; requires
 * CAP_SYS_ADMIN)
 */
export function* perfPrograms(): Generator<PerfAttachment, undefined> {
  for (const pid of namesIn('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      if (!isCandidate(`/proc/${pid}/fd/${fd}`)) continue
      const found = query(Number(pid), Number(fd))
      if (found !== undefined) yield found
    }
  }
  return undefined
}

function query(pid: number, fd: number): PerfAttachment | undefined {
  const subject = {
    what: `find the program of descriptor ${fd} of process ${pid}`,
    capabilities: () => ['CAP_SYS_ADMIN' as const],
  }
  try {
    const found = attempt(subject, () => native.taskFdQuery(pid, fd))
    const type = types[found?.type ?? -1]
    return found === undefined || type === undefined ? undefined : { pid, fd, ...found, type }
  } catch (error) {
    // The process has ended.
    if (error instanceof BpfError && (error.code === 'ENOENT' || error.code === 'ESRCH')) return undefined
    throw error
  }
}

function isCandidate(path: string): boolean {
  try {
    // Links of raw tracepoints and perf events, and perf events without links.
    return /^anon_inode:\[?(perf_event|bpf_link|bpf-raw-tracepoint|bpf-tracing-prog|bpf)/.test(
      readlinkSync(path),
    )
  } catch {
    return false
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
