// kretprobe.bpf.c in TypeScript: reports accepted TCP connections, from what a kernel function returns.
import { type be32, bpf, type char, kretprobe, ringbuf, type u16, u32 } from 'libbpf-node/kernel'

const AF_INET = 2

interface connection {
  pid: u32
  comm: char<16>
  from: be32
  port: u16
}

export const connections = ringbuf<connection>(1 << 16)

export const on_accepted = kretprobe('inet_csk_accept', (sk) => {
  if (!sk || sk.__sk_common.skc_family !== AF_INET) return 0
  connections.emit({
    pid: u32(bpf.getCurrentPidTgid() >> 32),
    comm: bpf.getCurrentComm(),
    from: sk.__sk_common.skc_daddr,
    port: sk.__sk_common.skc_num,
  })
  return 0
})

export const license = 'GPL'
