// The agent in a container, with what the DaemonSet of deploy/ allows, and nothing else.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile } from 'libbpf-node/kernel'
import { describe, expect } from 'vitest'
import { parse } from 'yaml'
import { makeImage, TestContainer } from '../../../test/helpers/container.js'
import { Containerd, requiresContainerd } from '../../../test/helpers/containerd.js'
import { kernelIs, requiresKernel } from '../../../test/helpers/kernel.js'
import { useBpffs, useCgroup, usePerfEvents, useTracefs } from '../../../test/helpers/privileged.js'
import { Folder, RunningAgent } from './helpers/agent.js'
import { daemonSetPod, inContainer, statusOf } from './helpers/oci.js'

const deploy = fileURLToPath(new URL('../../../deploy/', import.meta.url))
const read = (path: string): string => readFileSync(join(deploy, path), 'utf8')

/** The programs of the ConfigMap. */
const uses = (parse(read('kubernetes/agent.yaml')) as { programs: { use: string }[] }).programs.map(
  ({ use }) => use,
)

/** CAP_BPF, CAP_DAC_READ_SEARCH, CAP_NET_ADMIN and CAP_PERFMON, by their numbers. */
const capabilities = [39n, 2n, 12n, 38n]
  .reduce((set, number) => set | (1n << number), 0n)
  .toString(16)
  .padStart(16, '0')

describe('the agent in a container', () => {
  useTracefs()
  usePerfEvents()
  const bpffs = useBpffs()
  const cgroup = useCgroup()

  const runs = async (user: number | undefined, change: (config: string) => string): Promise<void> => {
    using folder = new Folder()
    const work = mkdtempSync(join(tmpdir(), 'libbpf-node-container-'))
    try {
      await using containerd = await Containerd.start(work)
      const text = change(read('kubernetes/agent.yaml').replace('listen: :9435', 'listen: 127.0.0.1:0'))
      const config = folder.write('agent.yaml', text)
      const logs = join(work, 'logs')
      mkdirSync(logs)
      const instead = { '/sys/fs/bpf': bpffs(), '/var/log/containers': logs }
      const own = { pod: daemonSetPod(), folder: work, config, containerd, instead }
      const command = inContainer({ ...own, ...(user !== undefined && { user }) })
      const agent = await RunningAgent.start(config, command)
      try {
        const status = statusOf(work)
        expect(status).toMatch(new RegExp(`^Uid:\\t${user ?? 0}\\t`, 'm'))
        for (const line of [
          'NoNewPrivs:\t1',
          'Seccomp:\t2',
          `CapEff:\t${capabilities}`,
          `CapBnd:\t${capabilities}`,
        ])
          expect(status).toContain(`${line}\n`)
        const { programs } = (await (await agent.get('/readyz')).json()) as { programs: object }
        expect(programs).toEqual(
          Object.fromEntries(uses.map((use) => [use, { status: 'running', failures: [] }])),
        )
        expect((await agent.metrics()).get('run_queue_latency_seconds_count')).toBeGreaterThan(0)
      } finally {
        await agent.stop()
      }
    } finally {
      rmSync(work, { recursive: true })
    }
  }

  requiresContainerd('runs everything as the DaemonSet asks for it, and pins', () =>
    runs(undefined, (config) => config),
  )

  requiresContainerd('runs everything as a user who is not root, with ambient capabilities', () =>
    // Pinning would need CAP_DAC_OVERRIDE.
    runs(65534, (config) => config.replace(/^pinning:\n.*\n/m, '')),
  )

  const follows = async (): Promise<void> => {
    using folder = new Folder()
    const work = mkdtempSync(join(tmpdir(), 'libbpf-node-container-'))
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', work])
    try {
      await using containerd = await Containerd.start(work)
      const source = `
import { bpf, hash, uprobeMulti, type u64 } from 'libbpf-node/kernel'
export const starts = hash<u64, u64>(1024)
export const onMain = uprobeMulti('worker:main', () => {
  starts.add(bpf.getCurrentCgroupId(), 1)
  return 0
})
export const license = 'GPL'
`
      const own = cgroup().replace(/^.*\//, '/')
      const text = `
listen: 127.0.0.1:0
programs:
  - file: ${folder.write('starts.bpf.o', compile(source, { file: 'starts.bpf.ts' }).object)}
    follow: { cgroup: ${own} }
    metrics:
      counters: [{ name: starts_total, help: Starts, map: starts }]
`
      const image = makeImage(join(work, 'image'))
      await using other = await new TestContainer(image, join(work, 'root'), join(cgroup(), 'other')).ready()
      mkdirSync(join(work, 'logs'))
      const instead = { '/sys/fs/bpf': bpffs(), '/var/log/containers': join(work, 'logs') }
      const config = folder.write('agent.yaml', text)
      const all = { pod: daemonSetPod(), folder: work, config, containerd, follows: true, instead }
      const agent = await RunningAgent.start(config, inContainer(all))
      try {
        const { programs } = (await (await agent.get('/healthz')).json()) as { programs: object }
        expect(programs).toEqual({ starts: { status: 'running', failures: [] } })
        await other.run()
        expect((await agent.metrics()).get('starts_total')).toBe(1)
      } finally {
        await agent.stop()
      }
    } finally {
      execFileSync('umount', ['--lazy', work])
      rmSync(work, { recursive: true })
    }
  }
  if (kernelIs('6.6')) requiresContainerd('follows other containers without CAP_SYS_ADMIN', follows)
  else requiresKernel('6.6', 'follows other containers without CAP_SYS_ADMIN', follows)
})
