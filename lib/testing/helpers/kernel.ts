import { errno } from '../errno.js'
import type { Helper, Machine } from '../machine.js'
import { format } from './format.js'

const { EFAULT, EINVAL, E2BIG, ERANGE } = errno

/**
 * Reads memory of the kernel or of a process as it is: for memory that does not exist, the program gets an error, and
 * it is not a fault of the program.
 */
export function tryRead(machine: Machine, pointer: bigint, size: number): Uint8Array | undefined {
  const found = machine.memory.find(pointer)
  if (found === undefined) return undefined
  const { region, offset } = found
  const isThere = region.retired === undefined && region.virtual === undefined
  if (!isThere || offset < 0 || offset + size > region.size) return undefined
  return machine.memory.bytes.slice(region.base + offset, region.base + offset + size)
}

const probeRead =
  (name: string): Helper =>
  (machine, to, size, from) => {
    const length = Number(BigInt.asUintN(32, size!))
    const bytes = tryRead(machine, from!, length)
    if (length > 0) machine.memory.write(to!, bytes ?? new Uint8Array(length), name)
    return bytes === undefined ? -EFAULT : 0
  }

/** Copies a string with its zero byte, as much as there is room for. Returns its length with the zero byte. */
const probeReadString =
  (name: string): Helper =>
  (machine, to, size, from) => {
    const room = Number(BigInt.asUintN(32, size!))
    const text = readString(machine, from!, room)
    if (text === undefined) {
      if (room > 0) machine.memory.write(to!, new Uint8Array(room), name)
      return -EFAULT
    }
    if (room === 0) return 0
    const bytes = new Uint8Array(Math.min(room, text.length + 1))
    bytes.set(text.subarray(0, bytes.length - 1))
    machine.memory.write(to!, bytes, name)
    return bytes.length
  }

/** The bytes up to a zero byte, at most `limit`. */
function readString(machine: Machine, pointer: bigint, limit: number): Uint8Array | undefined {
  const found = machine.memory.find(pointer)
  if (found === undefined || found.region.retired !== undefined || found.offset < 0) return undefined
  const { region, offset } = found
  const bytes = machine.memory.bytes.slice(
    region.base + offset,
    region.base + Math.min(region.size, offset + limit),
  )
  const end = bytes.indexOf(0)
  return end < 0 ? bytes : bytes.subarray(0, end)
}

const copyFrom =
  (name: string): Helper =>
  (machine, to, size, from) =>
    probeRead(name)(machine, to!, size!, from!)

const textOf = (machine: Machine) => (pointer: bigint) => {
  const bytes = readString(machine, pointer, 4096)
  return bytes === undefined ? '(fault)' : new TextDecoder().decode(bytes)
}

function words(machine: Machine, pointer: bigint, size: bigint, what: string): bigint[] {
  if (size === 0n) return []
  const bytes = machine.memory.read(pointer, Number(size), what)
  return [...new BigUint64Array(bytes.buffer, 0, bytes.length / 8)]
}

function formatAt(machine: Machine, pointer: bigint, size: number): string {
  return new TextDecoder().decode(machine.memory.read(pointer, size, 'the format')).replace(/\0.*$/s, '')
}

/** Parses a number as the kernel's strtol does, and writes it. Returns how many characters it parsed. */
const parseNumber =
  (signed: boolean): Helper =>
  (machine, buffer, size, flags, result) => {
    const base = Number(flags! & 31n)
    if (![0, 8, 10, 16].includes(base)) return -EINVAL
    const text = new TextDecoder().decode(machine.memory.read(buffer!, Number(size), 'the number'))
    const pattern = {
      0: '0[xX][0-9a-fA-F]+|[0-9]+',
      8: '[0-7]+',
      10: '[0-9]+',
      16: '(?:0[xX])?[0-9a-fA-F]+',
    }[base]
    const match = new RegExp(`^\\s*(${signed ? '-?' : ''})(${pattern})`).exec(text)
    if (match === null) return -EINVAL
    const [all, minus, digits] = match as unknown as [string, string, string]
    const isHexadecimal = base === 16 || /^0x/i.test(digits)
    const isOctal = base === 8 || (base === 0 && /^0[0-7]+$/.test(digits))
    const plain = digits.replace(/^0x/i, '')
    const magnitude = BigInt(isHexadecimal ? `0x${plain}` : isOctal ? `0o${plain}` : plain)
    const value = minus === '-' ? -magnitude : magnitude
    const fits = signed ? BigInt.asIntN(64, value) === value : BigInt.asUintN(64, value) === value
    if (!fits) return -ERANGE
    machine.memory.write(
      result!,
      new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, value)).buffer),
      'the result',
    )
    return all.length
  }

const time: Helper = (machine) => machine.environment.time

const nothing =
  (value: bigint | number): Helper =>
  () =>
    value

export const kernelHelpers: Readonly<Record<string, Helper>> = {
  ktime_get_ns: time,
  ktime_get_boot_ns: time,
  ktime_get_coarse_ns: time,
  ktime_get_tai_ns: time,
  jiffies64: (machine) => machine.environment.time / 4_000_000n,
  get_prandom_u32: (machine) => machine.environment.random(),
  get_smp_processor_id: (machine) => machine.cpu,
  get_numa_node_id: nothing(0),
  get_current_pid_tgid: ({ environment: { tgid, pid } }) => (BigInt(tgid) << 32n) | BigInt(pid),
  get_current_uid_gid: ({ environment: { uid, gid } }) => (BigInt(gid) << 32n) | BigInt(uid),
  get_current_cgroup_id: (machine) => machine.environment.cgroupId,
  get_current_task: (machine) => machine.currentTask(),
  get_current_task_btf: (machine) => machine.currentTask(),

  get_current_comm(machine, to, size) {
    const bytes = new Uint8Array(Number(size))
    bytes.set(
      new TextEncoder()
        .encode(machine.environment.comm)
        .subarray(0, Math.max(0, Math.min(15, bytes.length - 1))),
    )
    machine.memory.write(to!, bytes, 'bpf_get_current_comm')
    return 0
  },

  probe_read: probeRead('bpf_probe_read'),
  probe_read_kernel: probeRead('bpf_probe_read_kernel'),
  probe_read_user: probeRead('bpf_probe_read_user'),
  probe_read_str: probeReadString('bpf_probe_read_str'),
  probe_read_kernel_str: probeReadString('bpf_probe_read_kernel_str'),
  probe_read_user_str: probeReadString('bpf_probe_read_user_str'),
  copy_from_user: copyFrom('bpf_copy_from_user'),
  copy_from_user_task: copyFrom('bpf_copy_from_user_task'),

  trace_printk(machine, text, size, a, b, c) {
    const line = format(formatAt(machine, text!, Number(size)), [a!, b!, c!], textOf(machine))
    machine.printed.push(line.replace(/\n$/, ''))
    return line.length
  },

  trace_vprintk(machine, text, size, data, length) {
    const args = words(machine, data!, length!, 'bpf_trace_vprintk')
    const line = format(formatAt(machine, text!, Number(size)), args, textOf(machine))
    machine.printed.push(line.replace(/\n$/, ''))
    return line.length
  },

  snprintf(machine, to, size, text, data, length) {
    const found = readString(machine, text!, 4096)
    if (found === undefined) return -EFAULT
    const args = words(machine, data!, length!, 'bpf_snprintf')
    const line = new TextEncoder().encode(format(new TextDecoder().decode(found), args, textOf(machine)))
    const bytes = new Uint8Array(Math.min(Number(size), line.length + 1))
    bytes.set(line.subarray(0, Math.max(0, bytes.length - 1)))
    if (bytes.length > 0) machine.memory.write(to!, bytes, 'bpf_snprintf')
    return line.length + 1
  },

  strncmp(machine, text, size, other) {
    const a = machine.memory.read(text!, Number(size), 'bpf_strncmp')
    const b = readString(machine, other!, Number(size)) ?? new Uint8Array(0)
    for (let i = 0; i < a.length; i++) {
      const difference = a[i]! - (b[i] ?? 0)
      if (difference !== 0) return difference
      if (a[i] === 0) break
    }
    return 0
  },

  strtol: parseNumber(true),
  strtoul: parseNumber(false),

  loop(machine, count, callback, context, flags) {
    if (flags !== 0n) return -EINVAL
    if (count! > 1n << 23n) return -E2BIG
    const fn = machine.functionAt(callback!, 'bpf_loop')
    let i = 0n
    for (; i < count!; i++) if (machine.call(fn, [i, context!]) !== 0n) return i + 1n
    return i
  },

  timer_init(machine, timer) {
    machine.memory.locate(timer!, 16, 'write', 'bpf_timer_init')
    if (machine.timers.has(timer!)) return -errno.EBUSY
    machine.timers.set(timer!, { callback: undefined, due: undefined })
    return 0
  },

  timer_set_callback(machine, timer, callback) {
    const found = machine.timers.get(timer!)
    if (found === undefined) return -EINVAL
    found.callback = machine.functionAt(callback!, 'bpf_timer_set_callback')
    return 0
  },

  timer_start(machine, timer, after, flags) {
    const found = machine.timers.get(timer!)
    if (found?.callback === undefined) return -EINVAL
    found.due = (flags! & 1n) !== 0n ? after! : machine.environment.time + after!
    return 0
  },

  timer_cancel(machine, timer) {
    const found = machine.timers.get(timer!)
    if (found === undefined) return -EINVAL
    const wasActive = found.due !== undefined
    found.due = undefined
    return wasActive ? 1 : 0
  },

  get_func_arg_cnt: (machine) => machine.arguments.length,
  get_func_arg(machine, _context, index, to) {
    const value = machine.arguments[Number(index)]
    if (value === undefined) return -EINVAL
    machine.memory.write(to!, new Uint8Array(BigUint64Array.of(value).buffer), 'bpf_get_func_arg')
    return 0
  },
  get_func_ret(machine, _context, to) {
    const value = machine.arguments.at(-1) ?? 0n
    machine.memory.write(to!, new Uint8Array(BigUint64Array.of(value).buffer), 'bpf_get_func_ret')
    return 0
  },
  get_attach_cookie: (machine) => machine.environment.cookie,
  get_stackid: nothing(-EFAULT),
  get_stack: nothing(-EFAULT),
  send_signal: nothing(0),
  per_cpu_ptr: (_machine, pointer) => pointer,
  this_cpu_ptr: (_machine, pointer) => pointer,
}
