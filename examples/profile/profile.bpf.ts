// profile.bpf.c in TypeScript: samples the running programs with a clock, and counts them by name.
import { bpf, type char, hash, perfEvent, type u64 } from 'libbpf-node/kernel'

interface comm {
  name: char<16>
}

export const samples = hash<comm, u64>(4096)

export const on_tick = perfEvent(() => {
  samples.add({ name: bpf.getCurrentComm() }, 1)
  return 0
})

export const license = 'GPL'
