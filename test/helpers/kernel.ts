import { existsSync, readFileSync } from 'node:fs'
import { BpfError, type BpfObject, kernelFunctions } from 'libbpf-node'
import { it } from 'vitest'
import { loadOnly } from '../attach/surroundings.js'
import { load } from './objects.js'
import { kernelIs } from './version.js'

export { kernelIs }

/** A test of something that the kernel has since a version. It is skipped on older kernels. */
export function requiresKernel(version: string, name: string, test: () => void | Promise<void>): void {
  it.skipIf(!kernelIs(version))(`${name} (Linux ${version})`, test)
}

/** A hardened kernel refuses some programs, even from root. */
function loads(object: () => BpfObject): boolean {
  try {
    object().close()
    return true
  } catch (error) {
    if (error instanceof BpfError && error.code === 'EPERM') return false
    throw error
  }
}

const hasTrampolines = (): boolean => loads(() => load('fentry'))
const goesOverMaps = (): boolean => loads(() => loadOnly('attach-iter', ['entries']))

/** Whether the kernel has a function. It lacks those of options that it was built without. */
const hasFunction = (name: string): boolean => kernelFunctions(name).length > 0

/** LSM programs can be attached on every kernel that knows them, but only run if it was booted with lsm=...,bpf. */
function runsLsm(): boolean {
  const list = '/sys/kernel/security/lsm'
  return existsSync(list) && readFileSync(list, 'utf8').trim().split(',').includes('bpf')
}

/** What a kernel of any version may lack because of how it was built or hardened, and how to check. */
const features = {
  kprobes: {
    missing: 'built without CONFIG_KPROBES',
    here: () => existsSync('/sys/bus/event_source/devices/kprobe'),
  },
  trampolines: {
    missing: 'hardened: fentry, fexit and LSM programs are refused',
    here: hasTrampolines,
  },
  mapElements: {
    missing: 'hardened: programs that go over the elements of maps are refused',
    here: goesOverMaps,
  },
  hotplug: {
    missing: 'its CPUs stay online unless LIBBPF_NODE_CPU_HOTPLUG=1 allows the tests to switch them off',
    here: () =>
      process.env.LIBBPF_NODE_CPU_HOTPLUG === '1' && existsSync('/sys/devices/system/cpu/cpu1/online'),
  },
  lockdown: {
    missing: 'it is only locked down, until the next boot, if LIBBPF_NODE_LOCKDOWN=1 allows that',
    here: () => process.env.LIBBPF_NODE_LOCKDOWN === '1' && existsSync('/sys/kernel/security/lockdown'),
  },
  lsm: {
    missing: 'no BPF in /sys/kernel/security/lsm (boot with lsm=...,bpf), or hardened',
    here: () => runsLsm() && hasTrampolines(),
  },
  fprobe: {
    missing: 'built without CONFIG_FPROBE, or older than 5.18',
    here: () => hasFunction('register_fprobe_ips'),
  },
  netfilter: {
    missing: 'built without CONFIG_NETFILTER_BPF_LINK, or older than 6.4',
    here: () => hasFunction('bpf_nf_link_attach'),
  },
  cards: {
    missing: 'no two network cards with a cable between them, which the guests of npm run test:kernels have',
    here: () => readFileSync('/proc/cmdline', 'utf8').includes('libbpf_node_cards'),
  },
  hardening: {
    missing: 'not hardened: fentry programs are not refused',
    here: () => !hasTrampolines(),
  },
} as const

/** A test of something that not every kernel is built with. If it is missing, or the kernel is older than `since`, the test
 * is skipped, and its name says why. */
export function requiresFeature(
  feature: keyof typeof features,
  name: string,
  test: () => void | Promise<void>,
  since = '0',
): void {
  const { here, missing } = features[feature]
  if (!kernelIs(since)) it.skip(`${name} (Linux ${since})`, test)
  else if (here()) it(name, test)
  else it.skip(`${name} (this kernel: ${missing})`, test)
}
