// kprobe.bpf.c in TypeScript: reports outgoing TCP connections, from the arguments of a kernel function.
import {
  type be16,
  bpf,
  type bytes,
  type char,
  kprobe,
  ringbuf,
  type u16,
  u32,
  u64,
} from 'libbpf-node/kernel'

interface connection {
  pid: u32
  comm: char<16>
  address: bytes<4>
  port: be16
}

interface sockaddr_in {
  family: u16
  port: be16
  address: bytes<4>
}

export const connections = ringbuf<connection>(1 << 16)

export const on_connect = kprobe('tcp_v4_connect', (_sk, to) => {
  const address = bpf.probeReadKernel<sockaddr_in>(u64(to))
  connections.emit({
    pid: u32(bpf.getCurrentPidTgid() >> 32),
    comm: bpf.getCurrentComm(),
    address: address.address,
    port: address.port,
  })
  return 0
})

export const license = 'GPL'
