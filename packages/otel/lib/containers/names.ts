// Names of containers, from the files that runtimes and kubelet keep on the host.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What is known about a container besides its id. */
export interface ContainerNames {
  readonly container?: string
  readonly pod?: string
  readonly namespace?: string
  readonly image?: string
  /** The labels of the pod. Only CRI and kubelet provide them. */
  readonly labels?: Readonly<Record<string, string>>
}

/** Where to look. Each of the places may be missing. */
export interface NameSources {
  /** kubelet's links to logs: POD_NAMESPACE_CONTAINER-ID.log */
  readonly kubeletLogs: string
  /** Docker's folder with a folder for each container. */
  readonly docker: string
  /** Podman's list of containers. */
  readonly podman: string
}

export const defaultSources = (host = '/'): NameSources => ({
  kubeletLogs: join(host, 'var/log/containers'),
  docker: join(host, 'var/lib/docker/containers'),
  podman: join(host, 'var/lib/containers/storage/overlay-containers/containers.json'),
})

const logName = /^([^_]+)_([^_]+)_(.+)-([0-9a-f]{64})\.log$/

/** Reads the names of all containers that there are now. */
export async function namesFromFiles({
  kubeletLogs,
  docker,
  podman,
}: NameSources): Promise<Map<string, ContainerNames>> {
  const names = new Map<string, ContainerNames>()
  for (const id of await list(docker)) {
    const text = await read(join(docker, id, 'config.v2.json'))
    const config = parse(text) as { Name?: string; Config?: { Image?: string } } | undefined
    if (config?.Name === undefined) continue
    names.set(id, {
      container: config.Name.replace(/^\//, ''),
      ...(config.Config?.Image && { image: config.Config.Image }),
    })
  }
  const containers = parse(await read(podman))
  for (const { id, names: own } of Array.isArray(containers)
    ? (containers as { id?: string; names?: string[] }[])
    : [])
    if (id !== undefined && own?.[0] !== undefined) names.set(id, { container: own[0] })
  for (const file of await list(kubeletLogs)) {
    const [, pod, namespace, container, id] = logName.exec(file) ?? []
    if (id !== undefined) names.set(id, { container: container!, pod: pod!, namespace: namespace! })
  }
  return names
}

const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => [])
const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '')

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
