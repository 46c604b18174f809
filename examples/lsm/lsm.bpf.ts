// lsm.bpf.c in TypeScript: lets the processes of a cgroup create AF_UNIX sockets only.
import { bpf, bss, lsm, rodata, type u64 } from 'libbpf-node/kernel'

const AF_UNIX = 1
const EPERM = 1

export const cgroup_id = rodata<u64>()
export let allowed = bss<u64>()
export let refused = bss<u64>()

export const on_socket = lsm('socket_create', (family, _type, _protocol, kern) => {
  if (kern !== 0 || bpf.getCurrentCgroupId() !== cgroup_id) return 0
  if (family === AF_UNIX) {
    allowed += 1
    return 0
  }
  refused += 1
  return -EPERM
})

export const license = 'GPL'
