/** What the path of a cgroup tells about it. */
export interface CgroupOwner {
  /** The path below the root of the hierarchy. */
  readonly path: string
  /** 64 hexadecimal digits, or the name of a container of LXC or systemd-nspawn. */
  readonly containerId?: string
  readonly runtime?: Runtime
  /** The id of the Kubernetes pod, with dashes. Pods from a node's own manifests have ids without dashes. */
  readonly podUid?: string
  /** How Kubernetes treats the pod when resources run out. */
  readonly qos?: 'guaranteed' | 'burstable' | 'besteffort'
  /** The systemd unit, such as `nginx.service` or `session-2.scope`, if it is not a container. */
  readonly unit?: string
}

export type Runtime = 'docker' | 'containerd' | 'cri-o' | 'podman' | 'lxc' | 'nspawn'

const hex64 = '[0-9a-f]{64}'

/** The last part of a container's path, by who names it like that. */
const containerNames: readonly (readonly [RegExp, Runtime | undefined])[] = [
  [new RegExp(`^docker-(${hex64})(?:\\.scope)?$`), 'docker'],
  [new RegExp(`^cri-containerd-(${hex64})(?:\\.scope)?$`), 'containerd'],
  [new RegExp(`^nerdctl-(${hex64})(?:\\.scope)?$`), 'containerd'],
  // runc joins slice, prefix and name with colons if containerd is not told about systemd.
  [new RegExp(`^.*:cri-containerd:(${hex64})$`), 'containerd'],
  [new RegExp(`^crio-(${hex64})(?:\\.scope)?$`), 'cri-o'],
  [new RegExp(`^libpod-(${hex64})(?:\\.scope)?$`), 'podman'],
  [/^lxc\.payload\.([^/]+)$/, 'lxc'],
  [/^machine-(?!libpod)([^/]+)\.scope$/, 'nspawn'],
  [new RegExp(`^(${hex64})$`), undefined],
]

/** Folders that say which runtime made the containers in them, whose names are nothing but an id. */
const parents: readonly (readonly [RegExp, Runtime])[] = [
  [/^(docker|ecs|actions_job|garden)$/, 'docker'],
  [/^(libpod_parent|libpod)$/, 'podman'],
  [/^(lxc)$/, 'lxc'],
  [/^(k8s\.io|default|moby|containerd)$/, 'containerd'],
]

const dashed = '[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}'
const podName = new RegExp(`(?:^|-)pod(${dashed}|[0-9a-f]{32})(?:\\.slice)?(?::|$)`)
const qosName = /^(?:kubelet-)?(?:kubepods-)?(burstable|besteffort)(?:\.slice)?$/
const unitName = /^[^/]+\.(service|scope|socket|mount|swap)$/

/**
 * Tells whose cgroup it is, from its path in a hierarchy of version 1 or 2: a container of Docker, containerd, CRI-O,
 * Podman, LXC or systemd-nspawn, a pod of Kubernetes, a unit of systemd. With containers inside containers, it is the
 * innermost one.
 *
 * @param path - as in `/proc/PID/cgroup`, such as `/system.slice/docker-3f2a....scope`
 */
export function parseCgroupPath(path: string): CgroupOwner {
  const owner: { -readonly [K in keyof CgroupOwner]: CgroupOwner[K] } = { path }
  let parent: Runtime | undefined
  for (const part of path.split('/')) {
    // The process that monitors a container is not in it.
    if (/^(?:crio|libpod)-conmon-/.test(part)) {
      owner.unit = part
      continue
    }
    parent = parents.find(([name]) => name.test(part))?.[1] ?? parent
    const pod = podName.exec(part)?.[1]
    if (pod !== undefined) {
      owner.podUid = pod.replaceAll('_', '-')
      owner.qos = /burstable/.test(path) ? 'burstable' : /besteffort/.test(path) ? 'besteffort' : 'guaranteed'
      delete owner.containerId
      delete owner.runtime
    }
    const qos = qosName.exec(part)?.[1]
    if (qos !== undefined && /kubepods/.test(path)) owner.qos = qos as 'burstable' | 'besteffort'
    const [id, runtime] = containerIn(part, parent)
    if (id !== undefined) {
      owner.containerId = id
      const named = runtime ?? (owner.podUid === undefined ? parent : undefined)
      if (named !== undefined) owner.runtime = named
      else delete owner.runtime
      delete owner.unit
    } else if (unitName.test(part) && owner.containerId === undefined) owner.unit = part
  }
  return owner
}

function containerIn(
  part: string,
  parent: Runtime | undefined,
): readonly [id?: string, runtime?: Runtime | undefined] {
  for (const [name, runtime] of containerNames) {
    const id = name.exec(part)?.[1]
    if (id !== undefined) return [id, runtime]
  }
  // Docker's older name for what `lxc-start` makes: /lxc/NAME.
  return parent === 'lxc' && part !== 'lxc' && part !== '' ? [part, 'lxc'] : []
}
