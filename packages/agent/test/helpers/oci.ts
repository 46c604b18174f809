// The agent in a container of runc, as a DaemonSet asks for it, with the seccomp profile of containerd, which is Docker's.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import type { Containerd } from '../../../../test/helpers/containerd.js'

const repository = fileURLToPath(new URL('../../../..', import.meta.url)).replace(/\/$/, '')
export const runc = join(repository, 'build/receivers/usr/sbin/runc')

/** What a container may do and sees, as a DaemonSet says it. */
export interface Pod {
  readonly hostPID?: boolean
  readonly containers: readonly {
    readonly securityContext: {
      readonly runAsUser: number
      readonly allowPrivilegeEscalation: boolean
      readonly readOnlyRootFilesystem: boolean
      readonly capabilities: { readonly drop: readonly string[]; readonly add: readonly string[] }
    }
    readonly resources: { readonly limits: { readonly memory: string } }
    readonly volumeMounts: readonly Mount[]
  }[]
  readonly volumes: readonly Volume[]
}
interface Mount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
}
interface Volume {
  readonly name: string
  readonly hostPath?: { readonly path: string }
}

/** The pod of the DaemonSet in deploy/. */
export function daemonSetPod(): Pod {
  const text = readFileSync(join(repository, 'deploy/kubernetes/daemonset.yaml'), 'utf8')
  const documents = parseAllDocuments(text).map(
    (document) => document.toJS() as { kind: string; spec: { template: { spec: Pod } } },
  )
  return documents.find(({ kind }) => kind === 'DaemonSet')!.spec.template.spec
}

export interface OciOptions {
  readonly pod: Pod
  /** An empty folder. */
  readonly folder: string
  readonly config: string
  readonly containerd: Containerd
  /** Instead of root, somebody who has the capabilities as ambient ones. */
  readonly user?: number
  /** A system in which the agent is installed, instead of the one here with this repository. */
  readonly root?: string
  /** Adds what deploy/kubernetes-containers adds for uprobe.multi. */
  readonly follows?: boolean
  /** The host's folders that stand for others, such as a BPF file system for /sys/fs/bpf. */
  readonly instead?: Readonly<Record<string, string>>
}

const id = `agent-${process.pid}`

/** What the kernel says about the agent in its container. */
export function statusOf(folder: string): string {
  const state = execFileSync(runc, ['--root', join(folder, 'runc'), 'state', id], { encoding: 'utf8' })
  return readFileSync(`/proc/${(JSON.parse(state) as { pid: number }).pid}/status`, 'utf8')
}

/** A command that runs the agent in a container; arguments that follow do not matter. */
export function inContainer({
  pod,
  folder,
  config,
  containerd,
  user,
  root,
  follows = false,
  instead = {},
}: OciOptions): string[] {
  const bundle = join(folder, 'bundle')
  mkdirSync(join(bundle, 'rootfs'), { recursive: true })
  execFileSync(runc, ['spec', '--bundle', bundle])
  const file = join(bundle, 'config.json')
  const spec = JSON.parse(readFileSync(file, 'utf8')) as Spec
  const { securityContext, volumeMounts, resources } = pod.containers[0]!
  const more = follows ? ['SYS_PTRACE'] : []
  const names = [...securityContext.capabilities.add, ...more].map((name) => `CAP_${name}`)
  const args = ['--config', '/etc/libbpf-node/agent.yaml']
  const here = [process.execPath, join(repository, 'packages/agent/dist/main.js')]
  Object.assign(spec.process, {
    terminal: false,
    user: { uid: user ?? securityContext.runAsUser, gid: user ?? 0 },
    args: [...(root === undefined ? here : ['/usr/bin/libbpf-node-agent']), ...args],
    noNewPrivileges: !securityContext.allowPrivilegeEscalation,
    // Without ambient capabilities, only root has them after it has become node.
    capabilities: {
      ...Object.fromEntries(['bounding', 'effective', 'permitted'].map((set) => [set, names])),
      ...(user !== undefined && { inheritable: names, ambient: names }),
    },
  })
  if (root !== undefined) spec.root.path = root
  spec.root.readonly = securityContext.readOnlyRootFilesystem
  const system =
    root !== undefined
      ? []
      : ['/usr', '/lib', '/lib64', '/bin', dirname(dirname(process.execPath)), repository]
  const own = volumeMounts.flatMap(({ name, mountPath, readOnly = false }) => {
    const path = pod.volumes.find((volume) => volume.name === name)?.hostPath?.path
    return path === undefined ? [] : [bind(instead[path] ?? path, mountPath, readOnly)]
  })
  spec.mounts.push(
    ...[...new Set(system)].filter((path) => existsSync(path)).map((path) => bind(path, path, true)),
    ...own,
    bind(config, '/etc/libbpf-node/agent.yaml', true),
    // Programs that the configuration names.
    bind(dirname(config), dirname(config), true),
  )
  const shared = new Set(['network', ...(pod.hostPID || follows ? ['pid'] : [])])
  spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => !shared.has(type))
  spec.linux.resources = { ...spec.linux.resources, memory: { limit: bytes(resources.limits.memory) } }
  spec.linux.cgroupsPath = `/libbpf-node-test-${process.pid}-agent`
  spec.linux.seccomp = containerd.seccompProfile(names)
  writeFileSync(file, JSON.stringify(spec))
  // What an earlier attempt has left.
  spawnSync(runc, ['--root', join(folder, 'runc'), 'delete', '--force', id])
  return ['sh', '-c', `exec ${runc} --root ${folder}/runc run --bundle ${bundle} ${id}`]
}

const bind = (source: string, destination: string, readOnly: boolean): object => ({
  source,
  destination,
  type: 'bind',
  options: ['rbind', ...(readOnly ? ['ro'] : [])],
})

const bytes = (text: string): number => Number.parseInt(text, 10) * 2 ** 20

interface Spec {
  process: object
  root: { path: string; readonly: boolean }
  mounts: object[]
  linux: { namespaces: { type: string }[]; resources: object; cgroupsPath?: string; seccomp?: unknown }
}
