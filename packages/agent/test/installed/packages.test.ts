// npm run test:deploy: the deb and the rpm, as they are built, in a Debian that debootstrap has made.
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Containerd } from '../../../../test/helpers/containerd.js'
import { usePerfEvents, useTracefs } from '../../../../test/helpers/privileged.js'
import { Folder, RunningAgent } from '../helpers/agent.js'
import { daemonSetPod, inContainer, statusOf } from '../helpers/oci.js'

const { LIBBPF_NODE_ROOT: root = '', LIBBPF_NODE_DEB: deb = '', LIBBPF_NODE_RPM: rpm = '' } = process.env
const inRoot = (...command: string[]): string =>
  execFileSync('chroot', [root, ...command], { encoding: 'utf8', stdio: 'pipe' })
const unit = 'usr/lib/systemd/system/libbpf-node-agent.service'

describe('the deb', () => {
  useTracefs()
  usePerfEvents()
  beforeAll(() => {
    copyFileSync(deb, join(root, 'agent.deb'))
    // dpkg itself checks that the dependencies are there.
    inRoot('dpkg', '-i', '/agent.deb')
  })
  afterAll(() => {
    inRoot('dpkg', '--purge', 'libbpf-node-agent')
    rmSync(join(root, 'agent.deb'))
    expect(existsSync(join(root, 'usr/lib/libbpf-node-agent'))).toBe(false)
    expect(existsSync(join(root, 'etc/libbpf-node'))).toBe(false)
  })

  it('is complete', () => {
    expect(inRoot('dpkg', '--verify', 'libbpf-node-agent')).toBe('')
    expect(inRoot('dpkg', '-s', 'libbpf-node-agent')).toContain('Status: install ok installed')
    expect(inRoot('libbpf-node-agent', '--check', '--config', '/etc/libbpf-node/agent.yaml')).toContain(
      'ok, 5 programs',
    )
    expect(inRoot('libbpf-node-agent', '--collections').split('\n')).toContain('runqlat')
  })

  it('keeps a configuration that was changed', () => {
    const file = join(root, 'etc/libbpf-node/agent.yaml')
    const before = readFileSync(file, 'utf8')
    writeFileSync(file, `${before}# mine\n`)
    inRoot('dpkg', '-i', '/agent.deb')
    expect(readFileSync(file, 'utf8')).toContain('# mine')
    writeFileSync(file, before)
  })

  it('has a unit that systemd understands, and that exposes little', () => {
    // The suite's own systemd knows what its units say.
    expect(inRoot('systemd-analyze', 'verify', `/${unit}`)).toBe('')
    const stdout = inRoot('systemd-analyze', 'security', '--offline=true', `/${unit}`)
    const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout)!
    expect(Number(exposure)).toBeLessThan(3)
  })

  it.each([
    ['root', undefined],
    ['a user who is not root', 65534],
  ])('runs its programs in a container as %s, on a root that is read-only', async (_who, user) => {
    using folder = new Folder()
    const work = mkdtempSync(join(tmpdir(), 'libbpf-node-installed-'))
    try {
      await using containerd = await Containerd.start(work)
      const text = readFileSync(join(root, 'etc/libbpf-node/agent.yaml'), 'utf8').replace(
        '127.0.0.1:9435',
        '127.0.0.1:0',
      )
      const config = folder.write('agent.yaml', text)
      mkdirSync(join(work, 'logs'))
      const command = inContainer({
        pod: daemonSetPod(),
        folder: work,
        config,
        containerd,
        root,
        instead: { '/var/log/containers': join(work, 'logs') },
        ...(user !== undefined && { user }),
      })
      const agent = await RunningAgent.start(config, command)
      try {
        expect(statusOf(work)).toContain('Seccomp:\t2\n')
        expect(await (await agent.get('/readyz')).json()).toMatchObject({ status: 'running' })
        expect((await agent.metrics()).get('run_queue_latency_seconds_count')).toBeGreaterThan(0)
      } finally {
        await agent.stop()
      }
    } finally {
      rmSync(work, { recursive: true })
    }
  })
})

describe('the rpm', () => {
  it('installs the same files, and runs', () => {
    const other = mkdtempSync(join(tmpdir(), 'libbpf-node-rpm-'))
    try {
      const own = ['--root', other, '--dbpath', '/var/lib/rpm']
      // There is no Node.js of an rpm in it, and no shell for scripts.
      execFileSync('rpm', [...own, '--install', '--nodeps', '--noscripts', rpm], { stdio: 'pipe' })
      expect(
        execFileSync('rpm', [...own, '--verify', '--nodeps', 'libbpf-node-agent'], { encoding: 'utf8' }),
      ).toBe('')
      const main = join(other, 'usr/lib/libbpf-node-agent/agent/dist/main.js')
      const config = join(other, 'etc/libbpf-node/agent.yaml')
      expect(
        execFileSync(process.execPath, [main, '--check', '--config', config], { encoding: 'utf8' }),
      ).toContain('ok')
      expect(existsSync(join(other, unit))).toBe(true)
      expect(execFileSync('rpm', ['-qp', '--requires', rpm], { encoding: 'utf8' })).toContain(
        'nodejs >= 20.19',
      )
    } finally {
      rmSync(other, { recursive: true })
    }
  })
})
