import type { Packet } from './packets.js'
import type { Kernel } from './types.js'
import { word } from './word.js'

export interface Program {
  readonly __program: never
}

type Hook = (target: string, program: (...args: Kernel[]) => number) => Program
type PacketHook = (program: (packet: Packet) => number) => Program

/** Runs at a tracepoint, with its arguments as the kernel passes them. (Linux 4.17) */
export const rawTp: Hook = word('rawTp')
/** The same, and the verifier knows the types of the arguments. (Linux 5.5) */
export const tpBtf: Hook = word('tpBtf')
/** Runs when a function of the kernel is called. (Linux 5.5, arm64 6.4) */
export const fentry: Hook = word('fentry')
/** Runs when a function of the kernel returns. Its result follows the arguments. (Linux 5.5, arm64 6.4) */
export const fexit: Hook = word('fexit')
/** Runs at a tracepoint, with the struct that it records: `tracepoint('sched/sched_switch', (ctx) => ...)`. (Linux 4.7) */
export const tracepoint: Hook = word('tracepoint')
/** Runs when a function of the kernel is called, with its arguments from the registers. (Linux 4.1) */
export const kprobe: Hook = word('kprobe')
/** Runs when a function of the kernel returns, with its result. (Linux 4.1) */
export const kretprobe: Hook = word('kretprobe')
/** Runs at a security hook, and may refuse what is about to happen with a negative errno. (Linux 5.7, booted with lsm=...,bpf) */
export const lsm: Hook = word('lsm')
/** Runs on each frame that comes to an interface, and returns what becomes of it: `XDP.PASS`. (Linux 4.8) */
export const xdp: PacketHook = word('xdp')
/** Runs on packets that come to an interface, and returns what becomes of them: `TC.PASS`. (Linux 6.6) */
export const tcIngress: PacketHook = word('tcIngress')
/** Runs on packets that leave through an interface. (Linux 6.6) */
export const tcEgress: PacketHook = word('tcEgress')

/** What an XDP program returns. */
export const XDP = { ABORTED: 0, DROP: 1, PASS: 2, TX: 3, REDIRECT: 4 } as const
/** What a TC program returns. */
export const TC = { NEXT: -1, PASS: 0, DROP: 2, REDIRECT: 7 } as const

/** Runs when user space says so, by `testRun`. (Linux 5.14) */
export const syscall: (program: () => number) => Program = word('syscall')
