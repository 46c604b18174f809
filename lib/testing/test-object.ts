// What a test sees of an object, whether its programs run in the emulator or in the kernel.
import type { KernelValue } from './kernel-values.js'
import type { SkbFields, XdpFields } from './packet-context.js'

/** A kernel struct as an argument: `struct('task_struct', { tgid: 42 })`. */
export interface KernelStruct {
  readonly struct: string
  readonly value: { readonly [member: string]: KernelValue }
}

/** Names the type of a plain object that stands for a kernel struct. */
export const struct = (name: string, value: { readonly [member: string]: KernelValue }): KernelStruct => ({
  struct: name,
  value,
})

/** What a program is run with. Which of these apply depends on its kind. */
export interface RunOptions {
  /**
   * For XDP, TC, socket filters and cgroup_skb: the packet, from its Ethernet header on. Socket filters and cgroup_skb
   * programs see it from the IP header on, as in the kernel's test_run.
   */
  packet?: Uint8Array
  /** Fields of `struct xdp_md`. */
  xdp?: XdpFields
  /** Fields of `struct __sk_buff`. */
  skb?: SkbFields
  /** For raw tracepoints, tp_btf, fentry, fexit and LSM: the arguments. Only the emulator takes kernel structs. */
  args?: readonly (number | bigint | KernelStruct)[]
  /** The bytes of the context, for all other kinds. A `syscall` program may change them. */
  context?: Uint8Array
}

export interface RunResult {
  /** What the program returned, as an unsigned 32-bit number. */
  readonly retval: number
  /** The name of the return value, such as XDP_DROP, for programs that return an action. */
  readonly action: string | undefined
  /** The packet as the program left it. */
  readonly packet: Uint8Array | undefined
  /** The fields of `struct __sk_buff` as the program left them. */
  readonly skb: SkbFields | undefined
  /** The bytes of the context as the program left them. */
  readonly context: Uint8Array | undefined
  /** Where bpf_redirect or bpf_redirect_map sends the packet. Only the emulator reports it. */
  readonly redirected: { ifindex: number } | { map: string; key: number } | undefined
}

export interface TestProgram {
  readonly name: string
  /** The section name in SEC(). */
  readonly section: string
  run(options?: RunOptions): RunResult
}

export interface TestMap<K = unknown, V = unknown> {
  readonly size: number
  /** The value, or `undefined`. For a per-CPU map, an array with one value for each CPU. */
  get(key: K): V | undefined
  /** A program array takes a program of the object, a map of maps takes one of its maps. */
  set(key: K, value: V): unknown
  delete(key: K): boolean
  entries(): Iterable<[K, V]>
}

/** An object in a test. */
export interface TestObject extends Disposable {
  /** @throws Error if the object has no such program */
  program(name: string): TestProgram
  /** Returns a map by name. BTF types its keys and values; without BTF they are bytes. */
  map<K = unknown, V = unknown>(name: string): TestMap<K, V>
  /**
   * Takes the records that programs put into a ring buffer since the last call.
   *
   * @param type - the struct of the records; without it they are bytes
   */
  events<T = Uint8Array>(map: string, type?: string): T[]
  /** Reads a global variable. */
  get<T = unknown>(variable: string): T
  /** Writes a global variable. */
  set(variable: string, value: unknown): void
}

const xdpActions = ['XDP_ABORTED', 'XDP_DROP', 'XDP_PASS', 'XDP_TX', 'XDP_REDIRECT']
const tcActions = [
  'TC_ACT_OK',
  'TC_ACT_RECLASSIFY',
  'TC_ACT_SHOT',
  'TC_ACT_PIPE',
  'TC_ACT_STOLEN',
  'TC_ACT_QUEUED',
  'TC_ACT_REPEAT',
  'TC_ACT_REDIRECT',
  'TC_ACT_TRAP',
]

/** What kind of context a program of a section has. */
export type ContextKind = 'xdp' | 'skb' | 'arguments' | 'bytes'

export function contextKind(section: string): ContextKind {
  const name = section.replace(/^\?/, '')
  if (/^xdp(?:[./_]|$)/.test(name)) return 'xdp'
  if (isTc(name) || /^(?:socket|cgroup_skb|cgroup\/skb|sk_skb|lwt_|flow_dissector)/.test(name)) return 'skb'
  return /^(?:raw_tp|raw_tracepoint|tp_btf|fentry|fexit|fsession|fmod_ret|lsm)/.test(name)
    ? 'arguments'
    : 'bytes'
}

const isTc = (section: string): boolean => /^(?:tc|classifier|action|tcx|netkit)(?:\/|$)/.test(section)

/** Whether programs of a section see packets from the Ethernet header on, instead of from the IP header. */
export const seesEthernet = (section: string): boolean => isTc(section.replace(/^\?/, ''))

/** The name of what a program returned. */
export function actionOf(section: string, retval: number): string | undefined {
  const name = section.replace(/^\?/, '')
  if (contextKind(name) === 'xdp') return xdpActions[retval]
  return isTc(name) ? tcActions[retval] : undefined
}
