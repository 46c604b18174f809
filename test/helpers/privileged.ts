// Environments that only root can create. Each exists while the tests of a file or of a describe block run.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'

/**
 * Mounts a BPF file system. Returns a function that returns the path of a file in an empty folder of it, or of the
 * folder itself. The kernel may put files of its own into the root.
 */
export function useBpffs(): (name?: string) => string {
  let root = ''
  const folder = 'test'
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'libbpf-node-bpffs-'))
    execFileSync('mount', ['-t', 'bpf', 'bpf', root])
    mkdirSync(join(root, folder))
  })
  afterAll(() => {
    execFileSync('umount', [root])
    rmdirSync(root)
  })
  return (name = '') => join(root, folder, name)
}

/** Mounts tracefs for tracepoints, unless it is mounted. */
export function useTracefs(): void {
  const path = '/sys/kernel/tracing'
  let mounted = false
  beforeAll(() => {
    if (existsSync(`${path}/events`)) return
    execFileSync('mount', ['-t', 'tracefs', 'tracefs', path])
    mounted = true
  })
  afterAll(() => {
    if (mounted) execFileSync('umount', ['--lazy', path])
  })
}

const paranoid = '/proc/sys/kernel/perf_event_paranoid'

/** Allows perf events with CAP_PERFMON. Debian's default for kernel.perf_event_paranoid, 3, requires CAP_SYS_ADMIN. */
export function usePerfEvents(): void {
  let before = 0
  beforeAll(() => {
    before = Number(readFileSync(paranoid, 'utf8'))
    if (before > 2) writeFileSync(paranoid, '2')
  })
  afterAll(() => {
    if (before > 2) writeFileSync(paranoid, String(before))
  })
}

/** Runs `work` with Debian's default, where perf events require CAP_SYS_ADMIN. */
export async function withoutPerfEvents(work: () => Promise<void>): Promise<void> {
  const before = readFileSync(paranoid, 'utf8')
  writeFileSync(paranoid, '3')
  try {
    await work()
  } finally {
    writeFileSync(paranoid, before)
  }
}

/** Creates a version 2 cgroup without processes. Returns a function that returns its folder. */
export function useCgroup(): () => string {
  let path = ''
  beforeAll(() => {
    const root = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((root) =>
      existsSync(`${root}/cgroup.controllers`),
    )
    if (root === undefined) throw new Error('cgroup version 2 is not mounted')
    path = `${root}/libbpf-node-test-${process.pid}`
    mkdirSync(path)
  })
  afterAll(() => rmdirSync(path))
  return () => path
}
