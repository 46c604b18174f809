// The agent as deploy/ runs it: not root, with the capabilities that the manifests name, on a read-only root.
import { chmodSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { usePerfEvents, useTracefs } from '../../../test/helpers/privileged.js'
import { Folder, RunningAgent } from './helpers/agent.js'

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../deploy/${path}`, import.meta.url)), 'utf8')

/** The capabilities of the unit for systemd, as setpriv writes them: `bpf`. */
const unit = /^AmbientCapabilities=(.*)$/m
  .exec(read('systemd/libbpf-node-agent.service'))![1]!
  .split(' ')
  .map((name) => name.replace(/^CAP_/, '').toLowerCase())

describe('an agent that is not root', () => {
  useTracefs()
  usePerfEvents()

  it('has the same capabilities in Kubernetes as in systemd', () => {
    const [, list = ''] = /^ +add: \[(.*)\]$/m.exec(read('kubernetes/daemonset.yaml'))!
    expect(list.toLowerCase().replaceAll('"', '').split(', ')).toEqual(unit)
  })

  it('runs all programs that come with it', async () => {
    using folder = new Folder()
    const uses = ['runqlat', 'biolatency', 'tcpretrans', 'oomkill', 'cachestat', 'dns']
    const text = `listen: 127.0.0.1:0\nprograms:\n${uses.map((use) => `  - use: ${use}\n`).join('')}`
    const config = folder.write('agent.yaml', text)
    chmodSync(folder.path, 0o755)
    const sets = ['-all', ...unit.map((name) => `+${name}`)].join(',')
    const setpriv = `setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=${sets} --inh-caps=${sets} --ambient-caps=${sets}`
    // The root becomes read-only for this process alone.
    const script = `mount -o remount,bind,ro / && exec ${setpriv} "$@"`
    const agent = await RunningAgent.start(config, ['unshare', '--mount', 'sh', '-c', script, 'sh'])
    try {
      const status = readFileSync(`/proc/${agent.child.pid}/status`, 'utf8')
      expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m)
      expect(status).toMatch(/^NoNewPrivs:\t1$/m)
      const health = (await (await agent.get('/readyz')).json()) as { programs: object }
      expect(health.programs).toEqual(
        Object.fromEntries(uses.map((use) => [use, { status: 'running', failures: [] }])),
      )
      expect((await agent.metrics()).get('run_queue_latency_seconds_count')).toBeGreaterThan(0)
    } finally {
      await agent.stop()
    }
  })
})
