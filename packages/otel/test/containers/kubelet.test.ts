// There is no kubelet without a cluster, so a server answers as the documentation of Kubernetes says: a PodList.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Containers } from '@libbpf-node/otel/containers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { useCgroup } from '../../../../test/helpers/privileged.js'

const uid = '0f1d2c3b-4a59-6877-8695-a4b3c2d1e0f9'
const podList = {
  kind: 'PodList',
  apiVersion: 'v1',
  items: [
    {
      metadata: { name: 'web-7d9c', namespace: 'shop', uid, labels: { app: 'web' } },
      status: {
        containerStatuses: [
          { name: 'nginx', image: 'nginx:1.27', containerID: `containerd://${'a'.repeat(64)}` },
          // Kubernetes has not made it yet.
          { name: 'slow', image: 'slow:1' },
        ],
        initContainerStatuses: [
          { name: 'prepare', image: 'prepare:1', containerID: `cri-o://${'b'.repeat(64)}` },
        ],
      },
    },
    { metadata: { name: 'pending', namespace: 'shop', uid: 'none' } },
  ],
}

describe('Containers with kubelet', () => {
  const cgroup = useCgroup()
  let folder = ''
  let server: Server
  const options = () => ({
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tokenFile: join(folder, 'token'),
    caFile: join(folder, 'cert.pem'),
  })

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'libbpf-node-kubelet-'))
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const names = ['-subj', '/CN=node', '-addext', 'subjectAltName=IP:127.0.0.1']
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-keyout', key, '-out', cert, ...names],
      { stdio: 'ignore' },
    )
    writeFileSync(join(folder, 'token'), 'secret\n')
    server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
      const isAllowed = request.headers.authorization === 'Bearer secret'
      response.statusCode = !isAllowed ? 401 : request.url === '/pods' ? 200 : 404
      response.end(isAllowed ? JSON.stringify(podList) : 'Unauthorized')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true })
  })

  it('knows the names of containers and pods', async () => {
    const pod = join(cgroup(), `kubepods-pod${uid.replaceAll('-', '_')}.slice`)
    const folders = [`cri-containerd-${'a'.repeat(64)}.scope`, `crio-${'b'.repeat(64)}.scope`].map((name) =>
      join(pod, name),
    )
    mkdirSync(pod)
    for (const path of folders) mkdirSync(path)
    try {
      using containers = await Containers.open({ cgroups: cgroup(), kubelet: options() })
      const ofPod = { pod: 'web-7d9c', namespace: 'shop', labels: { app: 'web' } }
      const find = (path: string) => containers.get(statSync(path, { bigint: true }).ino)
      expect([pod, ...folders].map(find)).toMatchObject([
        ofPod,
        { ...ofPod, container: 'nginx', image: 'nginx:1.27' },
        { ...ofPod, container: 'prepare', image: 'prepare:1' },
      ])
    } finally {
      for (const path of [...folders, pod]) rmdirSync(path)
    }
  })

  it.each([
    ['without the right token', { tokenFile: 'wrong' }, 'kubelet answers with status 401: Unauthorized'],
    ['if the certificate is not trusted', { caFile: 'other' }, 'self-signed certificate'],
    ['if there is no token', { tokenFile: 'none' }, 'ENOENT'],
  ])(
    'reports that it cannot read them %s',
    async (_what, change: { tokenFile?: string; caFile?: string }, expected) => {
      writeFileSync(join(folder, 'wrong'), 'wrong')
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-keyout',
          '/dev/null',
          '-out',
          join(folder, 'other'),
          '-subj',
          '/CN=other',
        ],
        { stdio: 'ignore' },
      )
      const files = Object.fromEntries(
        Object.entries(change).map(([name, file]) => [name, join(folder, file!)]),
      )
      const reports: string[] = []
      const kubelet = { ...options(), ...files }
      const containers = await Containers.open({ kubelet, report: (message) => reports.push(message) })
      containers.close()
      expect(reports).toEqual([expect.stringContaining(expected)])
    },
  )
})
