// The prototypes of helpers, as calls in programs see them.
import { helperNames } from '../../asm/helper-names.js'
import { type IntType, integers, s32, s64, u32, u64 } from '../types.js'
import { prototypes } from './table.js'

export type Parameter =
  /** The program's own context, which is passed without being named. */
  | { readonly kind: 'context'; readonly name: string }
  | { readonly kind: 'number'; readonly name: string; readonly type: IntType }
  /** A place in memory, followed by its size in bytes. */
  | { readonly kind: 'memory'; readonly name: string; readonly readonly: boolean }
  /** A place in memory whose size the kernel knows. */
  | { readonly kind: 'place'; readonly name: string; readonly type: string }
  | { readonly kind: 'map'; readonly name: string }
  /** A number that the helper takes as an address. */
  | { readonly kind: 'address'; readonly name: string }
  /** A pointer to one of the kernel's structs; any if it has no name. */
  | { readonly kind: 'kernel'; readonly name: string; readonly record: string | undefined }
  | { readonly kind: 'function'; readonly name: string }

export type Result =
  | { readonly kind: 'void' }
  | { readonly kind: 'number'; readonly type: IntType }
  | { readonly kind: 'kernel'; readonly record: string }
  | { readonly kind: 'pointer' }

export interface Signature {
  readonly number: number
  /** The kernel's name, without `bpf_`. */
  readonly name: string
  readonly parameters: readonly Parameter[]
  readonly returns: Result
}

/** get_current_pid_tgid as getCurrentPidTgid */
export const camelCase = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase())

const numbers = new Map(helperNames.map((name, number) => [camelCase(name), number]))
numbers.delete('unspec')

/** The names of all helpers as programs call them. */
export const callNames = (): Iterable<string> => numbers.keys()

const known = new Map<string, Signature>()

/** The helper that a program calls by this name. */
export function signatureOf(name: string): Signature | undefined {
  const number = numbers.get(name)
  if (number === undefined) return undefined
  const found = known.get(name) ?? parse(number)
  known.set(name, found)
  return found
}

const contexts =
  /^(const )?struct (__sk_buff|xdp_md|bpf_sock_ops|bpf_sock_addr|bpf_sysctl|sk_msg_md|sk_reuseport_md|bpf_perf_event_data|pt_regs) \*$/
const kernelStructs =
  /^(?:const )?struct (task_struct|file|inode|cgroup|seq_file|linux_binprm|path|bpf_sock) \*$/
const sizes = /^(size|len|sz|size_of_buf|plen|optlen|\w+_(size|len|sz))$/
const maps = new Set(['map', 'prog_array_map', 'ringbuf'])
const addresses = new Set(['unsafe_ptr', 'user_ptr'])

function parse(number: number): Signature {
  const [list, returns] = prototypes[number]!.split(' -> ') as [string, string]
  const raw = list === 'void' ? [] : list.replace(', ...', '').split(', ').map(split)
  const parameters: Parameter[] = []
  for (let i = 0; i < raw.length; i++) {
    const [type, name] = raw[i]!
    const own = parameter(type, name, number)
    const next = raw[i + 1]
    const isSized =
      own.kind === 'place' && next !== undefined && !next[0].endsWith('*') && sizes.test(next[1])
    parameters.push(isSized ? { kind: 'memory', name, readonly: type.startsWith('const ') } : own)
    if (isSized) i++
  }
  return { number, name: helperNames[number]!, parameters, returns: resultOf(returns) }
}

/** 'const void *key' as its type and its name. */
function split(text: string): [type: string, name: string] {
  const [, type = text, name = ''] = /^(.*?[ *])(\w+)$/.exec(text) ?? []
  return [type.trim(), name]
}

function parameter(type: string, name: string, number: number): Parameter {
  if (!type.endsWith('*')) return { kind: 'number', name, type: integerNamed(type) }
  const isContext =
    contexts.test(type) || (name === 'ctx' && number !== drain) || type + name === 'const void *skb'
  if (isContext) return { kind: 'context', name }
  if (maps.has(name)) return { kind: 'map', name }
  if (addresses.has(name) || (number === probeWriteUser && name === 'dst')) return { kind: 'address', name }
  if (name === 'callback_fn') return { kind: 'function', name }
  const record = kernelStructs.exec(type)?.[1]
  if (record !== undefined) return { kind: 'kernel', name, record }
  if (/^(sk|sock|inode|bpf_socket)$/.test(name)) return { kind: 'kernel', name, record: undefined }
  return { kind: 'place', name, type: type.replace(/^const |\s*\*$/g, '') }
}

const drain = helperNames.indexOf('user_ringbuf_drain')
const probeWriteUser = helperNames.indexOf('probe_write_user')

/** The kernel returns 64 bits from every helper; an int is sign-extended. */
function resultOf(type: string): Result {
  if (type === 'void') return { kind: 'void' }
  const record = /^struct (\w+) \*$/.exec(type)?.[1]
  if (record !== undefined) return { kind: 'kernel', record }
  return type.endsWith('*') ? { kind: 'pointer' } : { kind: 'number', type: integerNamed(type) }
}

function integerNamed(type: string): IntType {
  switch (type) {
    case 'int':
      return s32
    case 'long':
      return s64
    case 'unsigned long':
      return u64
    case '__wsum':
      return u32
    default:
      return integers[type.slice(2)]!
  }
}

/** What to write instead of these helpers, for which the language has other words. */
export const instead: Readonly<Record<string, string>> = {
  mapLookupElem: 'Write map.get(key).',
  mapUpdateElem: 'Write map.set(key, value).',
  mapDeleteElem: 'Write map.delete(key).',
  mapPushElem: 'Write queue.push(value).',
  mapPopElem: 'Write queue.pop().',
  mapPeekElem: 'Write queue.peek().',
  mapLookupPercpuElem: 'Write map.getOn(cpu, key).',
  ringbufReserve: 'Write ring.reserve().',
  ringbufSubmit: 'Write ring.submit(record).',
  ringbufDiscard: 'Write ring.discard(record).',
  ringbufOutput: 'Write ring.emit({ ... }).',
  perfEventOutput: 'Write events.emit({ ... }).',
  tailCall: 'Write programs.call(index).',
  redirectMap: 'Write map.redirect(key).',
  getStackid: 'Write stacks.id().',
  taskStorageGet: 'Write storage.get(task).',
  skStorageGet: 'Write storage.get(sk).',
  inodeStorageGet: 'Write storage.get(inode).',
  cgrpStorageGet: 'Write storage.get(cgroup).',
  taskStorageDelete: 'Write storage.delete(task).',
  skStorageDelete: 'Write storage.delete(sk).',
  inodeStorageDelete: 'Write storage.delete(inode).',
  cgrpStorageDelete: 'Write storage.delete(cgroup).',
  userRingbufDrain: 'Write ring.drain((record) => { ... }).',
  ringbufReserveDynptr: 'Write ring.reserveDynptr(size).',
  ringbufSubmitDynptr: 'Write ring.submit(record).',
  ringbufDiscardDynptr: 'Write ring.discard(record).',
  dynptrRead: 'Write dynptr.read<T>(offset), or dynptr.read(offset, into, length).',
  dynptrWrite: 'Write dynptr.write(offset, value, length).',
  dynptrData: 'Write dynptr.data<T>(offset).',
  kptrXchg: 'Write value.member.xchg(reference).',
  spinLock: 'Write value.lock.acquire().',
  spinUnlock: 'Write value.lock.release().',
}
