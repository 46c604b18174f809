// ksyscall.bpf.c in TypeScript: measures how long a system call takes, and reports what it returns.
import { bpf, type char, hash, kretsyscall, ksyscall, ringbuf, s64, u32, type u64 } from 'libbpf-node/kernel'

interface call {
  pid: u32
  comm: char<16>
  result: s64
  took_ns: u64
}

export const begun = hash<u64, u64>(10240)
export const calls = ringbuf<call>(1 << 16)

export const on_call = ksyscall('nanosleep', () => {
  begun.set(bpf.getCurrentPidTgid(), bpf.ktimeGetNs())
  return 0
})

export const on_return = kretsyscall('nanosleep', (result) => {
  const thread = bpf.getCurrentPidTgid()
  const start = begun.get(thread)
  if (!start) return 0
  const took_ns: u64 = bpf.ktimeGetNs() - start.value
  calls.emit({ pid: u32(thread >> 32), comm: bpf.getCurrentComm(), result: s64(result), took_ns })
  begun.delete(thread)
  return 0
})

export const license = 'GPL'
