import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Containers } from '@libbpf-node/otel/containers'
import { describe, expect } from 'vitest'
import { Containerd, image, requiresContainerd } from '../../../../test/helpers/containerd.js'
import { until } from '../../../../test/helpers/until.js'

const pods = [
  { name: 'web-7d9c', uid: '0f1d2c3b-4a59-6877-8695-a4b3c2d1e0f9', labels: { app: 'web', tier: 'front' } },
  { name: 'db-0', uid: '1f1d2c3b-4a59-6877-8695-a4b3c2d1e0f9', labels: {} },
].map((pod) => ({ ...pod, namespace: 'shop' }))

describe('Containers with the API of the runtime', () => {
  requiresContainerd('names what runs, what starts later, and what has ended', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'libbpf-node-cri-'))
    const reports: string[] = []
    const cri = join(folder, 'containerd.sock')
    try {
      using containers = await Containers.open({ cri, report: (message) => reports.push(message) })
      expect(reports).toEqual([expect.stringMatching(/containerd\.sock: .*ENOENT/)])
      await using containerd = await Containerd.start(folder)
      const find = (id: string) => [...containers].find(({ containerId }) => containerId === id)
      const web = await containerd.run(pods[0]!, 'nginx')
      await until('its name is known', () => find(web)?.container !== undefined)
      expect(find(web)).toMatchObject({
        podUid: pods[0]!.uid,
        pod: 'web-7d9c',
        namespace: 'shop',
        container: 'nginx',
        image,
        labels: { app: 'web', tier: 'front' },
      })
      expect(reports.at(-1)).toContain('can be read again')

      const db = await containerd.run(pods[1]!, 'postgres')
      await until('its name is known, too', () => find(db)?.container !== undefined)
      await containerd.removeAll()
      await containers.settled()
      expect([find(web)?.pod, find(db)?.pod, find(db)?.container]).toEqual(['web-7d9c', 'db-0', 'postgres'])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
