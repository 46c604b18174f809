// sk-msg.bpf.c in TypeScript: moves what a server on 127.0.0.1 sends directly into the socket of the client.
import { bss, rodata, SK, skMsg, sockhash, sockOps, type u32, u64 } from 'libbpf-node/kernel'

const AF_INET = 2
const LOOPBACK = 0x7f000001

// BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB and BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB
const ACTIVE_ESTABLISHED = 4
const PASSIVE_ESTABLISHED = 5

export const port = rodata<u32>()
export let handed_over = bss<u64>()
export const sockets = sockhash<u64>(1024)

/** The key of a socket: its own port and that of its peer. */
function keyOf(local: u32, remote: u32): u64 {
  return (u64(local) << 32) | remote
}

// Both sockets of each connection to the server. A socket that is closed leaves the map by itself.
export const established = sockOps((ctx) => {
  if (ctx.op !== ACTIVE_ESTABLISHED && ctx.op !== PASSIVE_ESTABLISHED) return 1
  if (ctx.family !== AF_INET || ctx.remote_ip4 !== LOOPBACK) return 1
  const local = ctx.local_port
  const remote = ctx.remote_port
  if (local === port || remote === port) sockets.add(keyOf(local, remote))
  return 1
})

export const hand_over = skMsg((message) => {
  const { size, local_port, remote_port } = message
  // The client's socket is in the map before the server's socket exists, so nothing has gone through TCP that
  // could be overtaken. In the other direction that is not so.
  if (local_port !== port) return SK.PASS
  // If the client is not in the map, because it is in another cgroup, the data goes through TCP.
  if (sockets.redirect(keyOf(remote_port, local_port), true) === SK.PASS) handed_over += size
  return SK.PASS
})

export const license = 'GPL'
