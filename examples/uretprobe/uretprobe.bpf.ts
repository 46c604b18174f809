// uretprobe.bpf.c in TypeScript: measures how long the C library takes to look up a host name.
import {
  bpf,
  type char,
  hash,
  ringbuf,
  s32,
  u32,
  type u64,
  uprobe,
  uretprobe,
  zero,
} from 'libbpf-node/kernel'

interface lookup {
  start_ns: u64
  took_ns: u64
  pid: u32
  result: s32
  comm: char<16>
  host: char<64>
}

// The look-up that is going on in each thread.
export const begun = hash<u64, lookup>(10240)
export const lookups = ringbuf<lookup>(1 << 16)

export const on_call = uprobe((host) => {
  const thread = bpf.getCurrentPidTgid()
  const lookup = zero<lookup>()
  lookup.start_ns = bpf.ktimeGetNs()
  lookup.pid = u32(thread >> 32)
  lookup.comm = bpf.getCurrentComm()
  lookup.host = bpf.probeReadUserStr(host)
  begun.set(thread, lookup)
  return 0
})

export const on_return = uretprobe((result) => {
  const thread = bpf.getCurrentPidTgid()
  const lookup = begun.get(thread)
  if (!lookup) return 0
  lookup.took_ns = bpf.ktimeGetNs() - lookup.start_ns
  lookup.result = s32(result)
  lookups.emit(lookup)
  begun.delete(thread)
  return 0
})

export const license = 'GPL'
