// fexit.bpf.c in TypeScript: reports files that could not be opened.
import { bpf, type char, fexit, ringbuf, s64, u32, u64 } from 'libbpf-node/kernel'

interface failure {
  pid: u32
  comm: char<16>
  error: s64
  path: char<256>
}

export const failures = ringbuf<failure>(1 << 18)

export const on_opened = fexit('do_filp_open', (_folder, name, _flags, file) => {
  const error = s64(u64(file))
  // Pointers in this range are errors.
  if (error >= 0 || error < -4095) return 0
  failures.emit({
    pid: u32(bpf.getCurrentPidTgid() >> 32),
    comm: bpf.getCurrentComm(),
    error,
    path: bpf.probeReadKernelStr(name.name),
  })
  return 0
})

export const license = 'GPL'
