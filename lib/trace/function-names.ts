// Names of functions. The kernel records addresses, with what says whose they are; they get names when they are read.
import { Symbols } from '../symbols/symbols.js'

/** The words that ask for the name of a function, with the record that the kernel makes of an address. */
export const namesOfFunctions: Readonly<Record<string, (address: string) => string>> = {
  ksym: (address) => `{ __ksym: u64(${address}) }`,
  // Another process may have the id later.
  usym: (address) =>
    `{ __usym: u64(${address}), __pid: bpf.getCurrentPidTgid() >>> 32, __started: bpf.getCurrentTask().group_leader.start_boottime }`,
}

type FunctionRecord =
  | { readonly __ksym: bigint }
  | { readonly __usym: bigint; readonly __pid: bigint; readonly __started: bigint }

export const isFunctionRecord = (value: object): value is FunctionRecord =>
  '__ksym' in value || '__usym' in value

let symbols: Symbols | undefined

/** `vfs_read`, `vfs_read+12`, or the address. */
export function functionName(record: FunctionRecord): string {
  symbols ??= new Symbols()
  const [frame] =
    '__ksym' in record
      ? symbols.kernel([record.__ksym])
      : symbols.user(Number(record.__pid), [record.__usym], { startTime: record.__started })
  const { name, offset, address } = frame!
  if (name === undefined) return `0x${address.toString(16)}`
  return offset === 0 ? name : `${name}+${offset}`
}
