// What deploy/ contains, checked by the tools that read it.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { readPage } from '../../../test/docs/blocks.js'
import { Folder, main, RunningAgent, run } from './helpers/agent.js'
import { Prometheus, requiresReceiver } from './helpers/receivers.js'

const deploy = fileURLToPath(new URL('../../../deploy', import.meta.url))
const read = (path: string): string => readFileSync(join(deploy, path), 'utf8')

interface Dashboard {
  panels: { title: string; targets: { expr: string }[] }[]
}
const dashboard = JSON.parse(read('grafana/dashboard.json')) as Dashboard
const alerts = parse(read('prometheus/alerts.yaml')) as {
  groups: { rules: { alert: string; expr: string }[] }[]
}
/** Those of the table of objectives in the documentation. */
const objectives = [...readPage('docs/agent.md').matchAll(/^\| [^|`]+ \| `([^`|]+\([^`|]+)` \|/gm)].map(
  ([, expr]) => expr!,
)
/** What Prometheus itself adds. */
const scraped = ['scrape_duration_seconds']
const questions = [
  ...objectives,
  ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...alerts.groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
].map((expr) => expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'))

describe('deploy/', () => {
  it('has a configuration that the agent accepts', () => {
    const { status, stderr } = run('--check', '--config', join(deploy, 'kubernetes/agent.yaml'))
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  it('starts the agent in images where it is installed', () => {
    for (const name of ['Dockerfile', 'Dockerfile.alpine', 'Dockerfile.distroless']) {
      const path = /node_modules\/@libbpf-node\/agent\/(\S+?)"/.exec(read(`docker/${name}`))![1]!
      expect(main.endsWith(path)).toBe(true)
    }
  })

  it('has manifests that fit together', () => {
    const kustomization = parse(read('kubernetes/kustomization.yaml')) as {
      resources: string[]
      configMapGenerator: { name: string; files: string[] }[]
      images: { name: string }[]
    }
    for (const name of [...kustomization.resources, ...kustomization.configMapGenerator[0]!.files])
      expect(existsSync(join(deploy, 'kubernetes', name))).toBe(true)
    const daemonSet = parseAllDocuments(read('kubernetes/daemonset.yaml'))
      .map((document) => document.toJS() as { kind: string; spec: { template: { spec: PodSpec } } })
      .find(({ kind }) => kind === 'DaemonSet')!
    const { containers, volumes } = daemonSet.spec.template.spec
    const [agent] = containers
    expect(kustomization.images.map(({ name }) => name)).toEqual([agent!.image])
    expect(agent!.volumeMounts.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name))
    const maps = volumes.flatMap(({ configMap }) => (configMap === undefined ? [] : [configMap.name]))
    expect(maps).toEqual(kustomization.configMapGenerator.map(({ name }) => name))
  })

  const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
  it.skipIf(!hasSystemd)(
    `has a unit that systemd understands${hasSystemd ? '' : ' (no systemd-analyze)'}`,
    () => {
      const unit = join(deploy, 'systemd/libbpf-node-agent.service')
      expect(execFileSync('systemd-analyze', ['verify', unit], { encoding: 'utf8', stdio: 'pipe' })).toBe('')
    },
  )

  requiresReceiver('prometheus', 'asks questions about metrics that the agent has', async () => {
    using folder = new Folder()
    const config = join(deploy, 'kubernetes/agent.yaml')
    const text = readFileSync(config, 'utf8')
      .replace(/^listen:.*/m, 'listen: 127.0.0.1:0\nself: { program_stats: true }')
      .replace(/^pinning:\n.*\n/m, '')
    const agent = await RunningAgent.start(folder.write('agent.yaml', text))
    try {
      const known = await (await agent.get('/metrics')).text()
      expect(objectives.length).toBeGreaterThan(5)
      await using prometheus = await Prometheus.start(folder, 'global: { scrape_interval: 1h }\n')
      for (const question of questions) {
        // Throws if it is not PromQL.
        await prometheus.query(question)
        for (const [name] of question.matchAll(
          /\b[a-z_]+_(total|bucket|seconds|bytes|failures|metrics|ratio|entries)\b/g,
        )) {
          if (scraped.includes(name)) continue
          const family = name.replace(/_bucket$/, '')
          expect(known, question).toContain(`# TYPE ${family} `)
        }
      }
    } finally {
      await agent.stop()
    }
  })
})

interface PodSpec {
  containers: { image: string; volumeMounts: { name: string }[] }[]
  volumes: { name: string; configMap?: { name: string } }[]
}
