// uprobe.bpf.c in TypeScript: reports the host names that processes look up with the C library.
import { bpf, type char, ringbuf, u32, uprobe } from 'libbpf-node/kernel'

interface lookup {
  pid: u32
  comm: char<16>
  host: char<64>
}

export const lookups = ringbuf<lookup>(1 << 16)

export const on_getaddrinfo = uprobe((host) => {
  lookups.emit({
    pid: u32(bpf.getCurrentPidTgid() >> 32),
    comm: bpf.getCurrentComm(),
    host: bpf.probeReadUserStr(host),
  })
  return 0
})

export const license = 'GPL'
