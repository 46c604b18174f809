// Names of functions. The kernel records addresses, and whose they are; the names are looked up when the records are
// read.
import type { Frame } from '../symbols/frame.js'
import { Symbols } from '../symbols/symbols.js'

/** The words that ask for the name of a function, with the record that the kernel makes of an address. */
export const namesOfFunctions: Readonly<Record<string, (address: string) => string>> = {
  ksym: (address) => `{ __ksym: u64(${address}) }`,
  // Another process may have the id later. Each CPU that has nothing to do runs a thread 0 of its own: they are one.
  usym: (address) =>
    `{ __usym: u64(${address}), __pid: bpf.getCurrentPidTgid() >>> 32, __started: bpf.getCurrentPidTgid() === 0 ? 0 : bpf.getCurrentTask().group_leader.start_boottime }`,
}

type FunctionRecord =
  | { readonly __ksym: bigint }
  | { readonly __usym: bigint; readonly __pid: bigint; readonly __started: bigint }

export const isFunctionRecord = (value: object): value is FunctionRecord =>
  '__ksym' in value || '__usym' in value

let symbols: Symbols | undefined

/** `vfs_read`, `vfs_read+12`, or the address. */
export function functionName(record: FunctionRecord): string {
  const address = '__ksym' in record ? record.__ksym : record.__usym
  const { name, offset = 0 } = frameOf(record) ?? {}
  if (name === undefined) return `0x${address.toString(16)}`
  return offset === 0 ? name : `${name}+${offset}`
}

function frameOf(record: FunctionRecord): Frame | undefined {
  symbols ??= new Symbols()
  if ('__ksym' in record) return symbols.kernel([record.__ksym])[0]
  const pid = Number(record.__pid)
  // A CPU that has nothing to do runs thread 0, which belongs to no process.
  if (pid === 0) return
  return symbols.user(pid, [record.__usym], { startTime: record.__started })[0]
}
