// tcp-congestion.bpf.c in TypeScript: Reno from the kernel, with counters for connections and losses.
import { bss, kfunc, structOps, type u64 } from 'libbpf-node/kernel'

export let connections = bss<u64>()
export let losses = bss<u64>()

export const counted = structOps('tcp_congestion_ops', {
  name: 'bpf_counted',
  init() {
    connections += 1
  },
  ssthresh(sk) {
    losses += 1
    return kfunc.tcp_reno_ssthresh(sk)
  },
  cong_avoid(sk, ack, acked) {
    kfunc.tcp_reno_cong_avoid(sk, ack, acked)
  },
  undo_cwnd: (sk) => kfunc.tcp_reno_undo_cwnd(sk),
})

export const license = 'GPL'
