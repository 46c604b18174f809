import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Containers } from '@libbpf-node/otel/containers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useCgroup } from '../../../../test/helpers/privileged.js'
import { until } from '../../../../test/helpers/until.js'

const id = 'c'.repeat(64)
const idOf = (folder: string): bigint => statSync(folder, { bigint: true }).ino

describe('Containers', () => {
  const cgroup = useCgroup()
  let host = ''
  let containers: Containers

  beforeAll(async () => {
    host = mkdtempSync(join(tmpdir(), 'libbpf-node-host-'))
    const logs = join(host, 'var/log/containers')
    mkdirSync(logs, { recursive: true })
    writeFileSync(join(logs, `web-7d9c_shop_nginx-${id}.log`), '')
    containers = await Containers.open({ host, cgroups: cgroup() })
  })
  afterAll(() => {
    containers.close()
    rmSync(host, { recursive: true })
  })

  it('knows the cgroups that were there before', () => {
    expect(containers.get(idOf(cgroup()))).toEqual({ path: '/' })
    expect(containers.get(1n)).toBeUndefined()
  })

  it('knows a container that starts, with the names that kubelet gives it', async () => {
    const pod = join(cgroup(), 'kubepods-pod0f1d2c3b_4a59_6877_8695_a4b3c2d1e0f9.slice')
    const folder = join(pod, `cri-containerd-${id}.scope`)
    mkdirSync(pod)
    mkdirSync(folder)
    const cgroupId = idOf(folder)
    try {
      await until('the container is known', () => containers.get(cgroupId) !== undefined)
      expect(containers.get(cgroupId)).toMatchObject({
        containerId: id,
        runtime: 'containerd',
        podUid: '0f1d2c3b-4a59-6877-8695-a4b3c2d1e0f9',
        pod: 'web-7d9c',
        namespace: 'shop',
        container: 'nginx',
      })
    } finally {
      rmdirSync(folder)
      rmdirSync(pod)
    }
    // Events of it may still be on their way.
    await containers.settled()
    expect(containers.get(cgroupId)?.pod).toBe('web-7d9c')
  })
})
