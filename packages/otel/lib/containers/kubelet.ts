// Names of containers from kubelet's own API, which knows the pods of this node.
import { readFile } from 'node:fs/promises'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { ContainerNames } from './names.js'

/** How to reach kubelet. */
export interface KubeletOptions {
  /** By default https://127.0.0.1:10250, which needs the network of the host. */
  readonly url?: string
  /** The file with the token; by default that of the pod's service account. It is read each time, as it changes. */
  readonly tokenFile?: string
  /** The file with the certificate that has signed the one of kubelet; by default that of the cluster. */
  readonly caFile?: string
  /** Accepts any certificate: kubelet signs its own unless the cluster is set up to do so. */
  readonly insecure?: boolean
}

const account = '/var/run/secrets/kubernetes.io/serviceaccount'
/** Milliseconds to wait for an answer. */
const timeout = 5000

interface Status {
  name: string
  containerID?: string
  image?: string
}

interface Pod {
  metadata: { name: string; namespace: string; uid: string; labels?: Record<string, string> }
  status?: Partial<
    Record<'containerStatuses' | 'initContainerStatuses' | 'ephemeralContainerStatuses', Status[]>
  >
}

/** Reads the names of all containers, and of the pods by their ids. */
export async function namesFromKubelet(options: KubeletOptions = {}): Promise<Map<string, ContainerNames>> {
  const { items } = JSON.parse(await get(options)) as { items: Pod[] | null }
  const names = new Map<string, ContainerNames>()
  for (const { metadata, status = {} } of items ?? []) {
    const { name: pod, namespace, uid, labels = {} } = metadata
    const ofPod = { pod, namespace, labels }
    names.set(uid, ofPod)
    const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = status
    for (const container of [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses]) {
      const { name, containerID = '', image = '' } = container
      // Such as containerd://3f2a7d...; there is none before the container was made.
      const id = containerID.replace(/^.*:\/\//, '')
      if (id !== '') names.set(id, { ...ofPod, container: name, ...(image !== '' && { image }) })
    }
  }
  return names
}

async function get({
  url = 'https://127.0.0.1:10250',
  tokenFile = `${account}/token`,
  caFile,
  insecure = false,
}: KubeletOptions): Promise<string> {
  const token = (await readFile(tokenFile, 'utf8')).trim()
  const ca = insecure ? undefined : await readFile(caFile ?? `${account}/ca.crt`)
  const address = new URL('/pods', url)
  const request = address.protocol === 'http:' ? requestHttp : requestHttps
  return new Promise((resolve, reject) => {
    const asked = request(
      address,
      { headers: { authorization: `Bearer ${token}` }, timeout, ca, rejectUnauthorized: !insecure },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          if (response.statusCode === 200) resolve(text)
          else reject(new Error(`kubelet answers with status ${response.statusCode}: ${text.slice(0, 200)}`))
        })
      },
    )
    asked.on('timeout', () => asked.destroy(new Error(`kubelet has not answered in ${timeout / 1000} s`)))
    asked.on('error', reject)
    asked.end()
  })
}
