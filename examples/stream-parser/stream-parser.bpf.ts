// stream-parser.bpf.c in TypeScript: holds back what the sockets of the map receive until a record is complete.
import {
  bss,
  rodata,
  SK,
  s32,
  skSkbParser,
  skSkbVerdict,
  sockhash,
  type u32,
  type u64,
} from 'libbpf-node/kernel'

export const sockets = sockhash<u32>(1024)
export const size = rodata<u32>(1)
export let records = bss<u64>()

// Returns the length of the next record. It may only depend on the first bytes of a record if clients wait
// for an answer before they send the next one: the kernel does not say where each of several records begins.
export const how_long = skSkbParser(() => s32(size))

// Decides what happens to a record: it could also be dropped, or redirected to another socket.
export const whole = skSkbVerdict(() => {
  records += 1
  return SK.PASS
})

export const license = 'GPL'
