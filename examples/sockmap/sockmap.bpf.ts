// sockmap.bpf.c in TypeScript: sends everything that the sockets of the map receive back to the sender.
import { bss, skSkbVerdict, sockhash, type u32, type u64 } from 'libbpf-node/kernel'

export const sockets = sockhash<u32>(1024)
export let echoed = bss<u64>()

export const echo = skSkbVerdict((packet) => {
  echoed += packet.len
  // The port of the peer identifies the socket.
  return sockets.redirect(packet.remote_port)
})

export const license = 'GPL'
