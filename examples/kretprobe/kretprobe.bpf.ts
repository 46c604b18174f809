// kretprobe.bpf.c in TypeScript: reports accepted TCP connections, from what a kernel function returns.
import { type array, bpf, type char, kretprobe, ringbuf, u8, type u16, u32 } from 'libbpf-node/kernel'

const AF_INET = 2

interface connection {
  pid: u32
  comm: char<16>
  from: array<u8, 4>
  port: u16
}

export const connections = ringbuf<connection>(1 << 16)

export const on_accepted = kretprobe('inet_csk_accept', (sk) => {
  if (!sk || sk.__sk_common.skc_family !== AF_INET) return 0
  const from = sk.__sk_common.skc_daddr
  connections.emit({
    pid: u32(bpf.getCurrentPidTgid() >> 32),
    comm: bpf.getCurrentComm(),
    from: [u8(from >> 24), u8(from >> 16), u8(from >> 8), u8(from)],
    port: sk.__sk_common.skc_num,
  })
  return 0
})

export const license = 'GPL'
