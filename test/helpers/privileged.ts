// Surroundings that only root can make. Each is there while the tests of a file, or of a describe block, run.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'

/**
 * A BPF file system of our own. Returns a function that names a file in an empty folder of it; without a name, the folder. In its root the kernel may have
 * put something of its own.
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

/** tracefs, for tracepoints: mounted where it is not, and unmounted again. */
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

/** Perf events for who has CAP_PERFMON, as kernels have them that are not Debian's: there, with 3, they take CAP_SYS_ADMIN. */
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

/** Perf events as Debian has them, while `work` goes on. */
export async function withoutPerfEvents(work: () => Promise<void>): Promise<void> {
  const before = readFileSync(paranoid, 'utf8')
  writeFileSync(paranoid, '3')
  try {
    await work()
  } finally {
    writeFileSync(paranoid, before)
  }
}

/** A cgroup (version 2) of our own, without processes. Returns its folder. */
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
