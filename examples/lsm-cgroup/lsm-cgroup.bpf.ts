// lsm-cgroup.bpf.c in TypeScript: lets the servers of a cgroup listen on the loopback interface only.
import {
  type be16,
  type be32,
  type be64,
  bpf,
  bss,
  type kernel,
  lsmCgroup,
  type u16,
  type u32,
  u64,
} from 'libbpf-node/kernel'

const AF_INET = 2
const AF_INET6 = 10

// What is behind a struct sockaddr depends on its family. These structs are the same on all kernels.
interface sockaddr_ipv4 {
  family: u16
  port: be16
  address: be32
}

interface sockaddr_ipv6 {
  family: u16
  port: be16
  flow: u32
  high: be64
  low: be64
}

export let allowed = bss<u64>()
export let refused = bss<u64>()

function isLoopback(address: kernel.sockaddr): boolean {
  if (address.sa_family === AF_INET) {
    const ipv4 = bpf.probeReadKernel<sockaddr_ipv4>(u64(address))
    return ipv4.address >>> 24 === 127
  }
  if (address.sa_family !== AF_INET6) return true
  const ipv6 = bpf.probeReadKernel<sockaddr_ipv6>(u64(address))
  return ipv6.high === 0 && ipv6.low === 1
}

// For cgroup programs, 1 allows and 0 refuses.
export const on_bind = lsmCgroup('socket_bind', (_socket, address) => {
  if (isLoopback(address)) {
    allowed += 1
    return 1
  }
  refused += 1
  return 0
})

export const license = 'GPL'
