import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeImage, TestContainer } from '../../../test/helpers/container.js'
import { useCgroup } from '../../../test/helpers/privileged.js'
import { Folder, RunningAgent, run } from './helpers/agent.js'

// Counts how often the shell of the containers is started, and a function that it does not have.
const source = `
import { bpf, hash, uprobe, type u64 } from 'libbpf-node/kernel'
export const starts = hash<u64, u64>(1024)
export const onMain = uprobe('worker:main', () => {
  starts.add(bpf.getCurrentCgroupId(), 1)
  return 0
})
export const onMissing = uprobe('worker:no_such_function', () => 0)
export const license = 'GPL'
`

const program = (follow: string): string => `
listen: 127.0.0.1:0
programs:
  - file: starts.bpf.ts
    follow: ${follow}
    metrics:
      counters:
        - name: starts_total
          help: Starts of the shell
          map: starts
          labels: [{ name: cgroup, decoders: [{ name: cgroup }] }]
`

describe('follow', () => {
  const cgroup = useCgroup()
  let mounted = ''
  let folder: Folder
  beforeAll(() => {
    mounted = mkdtempSync(join(tmpdir(), 'libbpf-node-follow-'))
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', mounted])
    makeImage(join(mounted, 'image'))
    folder = new Folder()
    folder.write('starts.bpf.ts', source)
  })
  afterAll(() => {
    folder[Symbol.dispose]()
    execFileSync('umount', [mounted])
    rmSync(mounted, { recursive: true })
  })

  const start = (name: string): Promise<TestContainer> =>
    new TestContainer(join(mounted, 'image'), join(mounted, name), join(cgroup(), name)).ready()

  it('measures containers that run and those that start later, and says what cannot be attached', async () => {
    const own = cgroup().replace(/^.*\//, '/')
    const config = folder.write('agent.yaml', program(`{ cgroup: ${own} }`))
    await using before = await start('before')
    const agent = await RunningAgent.start(config)
    try {
      const probes = async (): Promise<number | undefined> =>
        (await agent.metrics()).get('libbpf_node_agent_followed_probes{program="starts"}')
      const startsOf = async (name: string): Promise<number> =>
        (await agent.metrics()).get(`starts_total{cgroup="${own}/${name}"}`) ?? 0
      expect(await probes()).toBe(1)
      await before.run()
      await agent.until('it is counted', async () => (await startsOf('before')) === 1)

      const later = await start('later')
      await later.run()
      await agent.until('it is counted, too', async () => (await startsOf('later')) > 0)
      // Both have the same file.
      expect(await probes()).toBe(1)

      const health = (await (await agent.get('/healthz')).json()) as {
        programs: { starts: { status: string; failures: { program: string; reason: string }[] } }
      }
      const { status, failures } = health.programs.starts
      expect({ status, names: failures.map((one) => one.program) }).toEqual({
        status: 'degraded',
        names: ['onMissing'],
      })
      expect(failures[0]!.reason).toContain(`${own}/before: attach program 'onMissing'`)
      expect(failures[0]!.reason).toContain('/app/worker')

      await before[Symbol.asyncDispose]()
      await later[Symbol.asyncDispose]()
      await agent.until('they are gone', async () => (await probes()) === 0)
      const { programs } = (await (await agent.get('/healthz')).json()) as typeof health
      expect(programs.starts).toEqual({ status: 'running', failures: [] })
      expect((await agent.get('/readyz')).status).toBe(200)
    } finally {
      await agent.stop()
    }
  })

  it('is refused for an agent that gives up its privileges', () => {
    const config = folder.write('agent.yaml', `user: nobody${program('{ image: nginx }')}`)
    const { status, stderr } = run('--check', '--config', config)
    expect(stderr).toContain(
      "agent.yaml:5:13: programs[0].follow: needs privileges as long as the agent runs, and 'user' gives them up",
    )
    expect(status).toBe(2)
  })
})
