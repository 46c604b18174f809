// uprobe-session.bpf.c in TypeScript: reports slow calls of library functions. One program runs for the call and its
// return, and keeps a number in between.
import { bpf, type char, kfunc, ringbuf, rodata, u32, type u64, uprobeSession } from 'libbpf-node/kernel'

interface call {
  pid: u32
  comm: char<16>
  function: u64
  took_ns: u64
}

export const at_least_ns = rodata<u64>(0)
export const calls = ringbuf<call>(1 << 16)

export const on_call = uprobeSession(() => {
  const start = kfunc.bpf_session_cookie()
  if (!start) return 0
  const now = bpf.ktimeGetNs()
  if (!kfunc.bpf_session_is_return()) {
    start.value = now
    return 0 // 1 would skip the return
  }
  const took = now - start.value
  if (took < at_least_ns) return 0
  calls.emit({
    pid: u32(bpf.getCurrentPidTgid() >>> 32),
    comm: bpf.getCurrentComm(),
    function: bpf.getAttachCookie(),
    took_ns: took,
  })
  return 0
})

export const license = 'GPL'
