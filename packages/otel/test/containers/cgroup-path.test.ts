import { readFileSync } from 'node:fs'
import { parseCgroupPath } from '@libbpf-node/otel/containers'
import { describe, expect, it } from 'vitest'

const id = '3f2a7d0c5b1e4f6a8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d'
const outer = 'a'.repeat(64)
const uid = '0f1d2c3b-4a59-6877-8695-a4b3c2d1e0f9'
const uidOfSystemd = uid.replaceAll('-', '_')
const staticPod = '0123456789abcdef0123456789abcdef'

// As found in /proc/PID/cgroup on hosts with these runtimes.
const paths: Record<string, [path: string, owner: object]> = {
  'Docker with the cgroupfs driver': [`/docker/${id}`, { containerId: id, runtime: 'docker' }],
  'Docker with systemd': [`/system.slice/docker-${id}.scope`, { containerId: id, runtime: 'docker' }],
  'a process that Docker-in-Docker made': [
    `/docker/${outer}/docker/${id}`,
    { containerId: id, runtime: 'docker' },
  ],
  'ECS on Docker': [`/ecs/cluster/task/${id}`, { containerId: id, runtime: 'docker' }],
  'containerd with systemd in a burstable pod': [
    `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uidOfSystemd}.slice/cri-containerd-${id}.scope`,
    { containerId: id, runtime: 'containerd', podUid: uid, qos: 'burstable' },
  ],
  'containerd with systemd in a guaranteed pod': [
    `/kubepods.slice/kubepods-pod${uidOfSystemd}.slice/cri-containerd-${id}.scope`,
    { containerId: id, runtime: 'containerd', podUid: uid, qos: 'guaranteed' },
  ],
  'containerd with the cgroupfs driver': [
    `/kubepods/besteffort/pod${uid}/${id}`,
    { containerId: id, podUid: uid, qos: 'besteffort' },
  ],
  'containerd that does not know about systemd': [
    `/system.slice/containerd.service/kubepods-burstable-pod${uidOfSystemd}.slice:cri-containerd:${id}`,
    { containerId: id, runtime: 'containerd', podUid: uid, qos: 'burstable' },
  ],
  'a pod of the node itself': [
    `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${staticPod}.slice/cri-containerd-${id}.scope`,
    { containerId: id, runtime: 'containerd', podUid: staticPod, qos: 'burstable' },
  ],
  'a pod, without a container': [
    `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${uidOfSystemd}.slice`,
    { podUid: uid, qos: 'besteffort' },
  ],
  'Kubernetes in Docker (kind)': [
    `/docker/${outer}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${uidOfSystemd}.slice/cri-containerd-${id}.scope`,
    { containerId: id, runtime: 'containerd', podUid: uid, qos: 'burstable' },
  ],
  'CRI-O': [
    `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${uidOfSystemd}.slice/crio-${id}.scope`,
    { containerId: id, runtime: 'cri-o', podUid: uid, qos: 'besteffort' },
  ],
  'CRI-O with crun, which adds a folder': [
    `/kubepods.slice/kubepods-pod${uidOfSystemd}.slice/crio-${id}.scope/container`,
    { containerId: id, runtime: 'cri-o', podUid: uid, qos: 'guaranteed' },
  ],
  'CRI-O with the cgroupfs driver': [
    `/kubepods/burstable/pod${uid}/crio-${id}`,
    { containerId: id, runtime: 'cri-o', podUid: uid, qos: 'burstable' },
  ],
  "CRI-O's monitor, which is no container": [
    `/kubepods.slice/kubepods-pod${uidOfSystemd}.slice/crio-conmon-${id}.scope`,
    { podUid: uid, qos: 'guaranteed', unit: `crio-conmon-${id}.scope` },
  ],
  'Podman as root': [`/machine.slice/libpod-${id}.scope`, { containerId: id, runtime: 'podman' }],
  'Podman with crun': [`/machine.slice/libpod-${id}.scope/container`, { containerId: id, runtime: 'podman' }],
  'Podman of a user': [
    `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope/container`,
    { containerId: id, runtime: 'podman' },
  ],
  'Podman with the cgroupfs driver': [`/libpod_parent/libpod-${id}`, { containerId: id, runtime: 'podman' }],
  "a pod of Podman's": [
    `/machine.slice/machine-libpod_pod_${outer}.slice/libpod-${id}.scope`,
    { containerId: id, runtime: 'podman' },
  ],
  nerdctl: [`/system.slice/nerdctl-${id}.scope`, { containerId: id, runtime: 'containerd' }],
  'containerd in a namespace of its own': [`/k8s.io/${id}`, { containerId: id, runtime: 'containerd' }],
  LXC: ['/lxc.payload.web/system.slice/nginx.service', { containerId: 'web', runtime: 'lxc' }],
  'LXC of older versions': ['/lxc/web', { containerId: 'web', runtime: 'lxc' }],
  'systemd-nspawn': ['/machine.slice/machine-debian.scope', { containerId: 'debian', runtime: 'nspawn' }],
  'a service': ['/system.slice/nginx.service', { unit: 'nginx.service' }],
  'a service made from a template': [
    '/system.slice/system-getty.slice/getty@tty1.service',
    { unit: 'getty@tty1.service' },
  ],
  'a session': ['/user.slice/user-1000.slice/session-2.scope', { unit: 'session-2.scope' }],
  "a user's service": [
    '/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox.service',
    { unit: 'app-firefox.service' },
  ],
  'the root': ['/', {}],
}

describe('parseCgroupPath', () => {
  for (const [name, [path, owner]] of Object.entries(paths)) {
    it(`recognizes ${name}`, () => expect(parseCgroupPath(path)).toEqual({ path, ...owner }))
  }

  it('accepts every path of this machine', () => {
    for (const line of readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n')) {
      const path = line.replace(/^\d+:[^:]*:/, '')
      expect(parseCgroupPath(path).path).toBe(path)
    }
  })
})
