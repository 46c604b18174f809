// The kernel's iterators over numbers and bits: bpf_iter_num_new, _next and _destroy, and their like.
import { errno } from '../errno.js'
import type { Helper, Machine } from '../machine.js'
import { tryRead } from './kernel.js'

const { EINVAL, E2BIG, EFAULT } = errno
const mostRounds = 8n * 1024n * 1024n

const signed = (value: bigint | undefined): bigint => BigInt.asIntN(32, value ?? 0n)

function write(pointer: bigint, current: bigint, end: bigint, machine: Parameters<Helper>[0]): void {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setInt32(0, Number(current), true)
  view.setInt32(4, Number(end), true)
  machine.memory.write(pointer, bytes, 'bpf_iter_num')
}

/** The most 64-bit numbers whose bits the kernel iterates over. */
const mostWords = 511

/** The bits of an iterator, and its position, by the iterator's address. */
const bitsOf = new WeakMap<Machine, Map<bigint, { readonly bytes: Uint8Array; at: number }>>()

function iteratorsOf(machine: Machine) {
  const known = bitsOf.get(machine) ?? new Map()
  bitsOf.set(machine, known)
  return known as NonNullable<ReturnType<typeof bitsOf.get>>
}

/** Kernel functions that are emulated, by name. */
export const iteratorFunctions: Readonly<Record<string, Helper>> = {
  bpf_iter_num_new(machine, iterator, from, to) {
    const [start, end] = [signed(from), signed(to)]
    const problem = start > end ? EINVAL : end - start > mostRounds ? E2BIG : undefined
    write(iterator!, problem === undefined ? start - 1n : 0n, problem === undefined ? end : 0n, machine)
    return problem === undefined ? 0 : -problem
  },
  bpf_iter_num_next(machine, iterator) {
    const view = new DataView(machine.memory.read(iterator!, 8, 'bpf_iter_num').slice().buffer)
    const next = BigInt(view.getInt32(0, true)) + 1n
    const end = BigInt(view.getInt32(4, true))
    write(iterator!, next >= end ? 0n : next, next >= end ? 0n : end, machine)
    return next >= end ? 0n : iterator!
  },
  bpf_iter_num_destroy(machine, iterator) {
    write(iterator!, 0n, 0n, machine)
    return 0
  },
  bpf_iter_bits_new(machine, iterator, from, words) {
    const count = Number(BigInt.asUintN(32, words!))
    machine.memory.write(iterator!, new Uint8Array(16), 'bpf_iter_bits')
    iteratorsOf(machine).set(iterator!, { bytes: new Uint8Array(), at: -1 })
    if (from === 0n || count === 0) return -EINVAL
    if (count > mostWords) return -E2BIG
    const bytes = tryRead(machine, from!, count * 8)
    if (bytes === undefined) return -EFAULT
    iteratorsOf(machine).set(iterator!, { bytes: bytes.slice(), at: -1 })
    return 0
  },
  bpf_iter_bits_next(machine, iterator) {
    const bits = iteratorsOf(machine).get(iterator!)
    if (bits === undefined) return machine.fault('bpf_iter_bits_next: there is no iterator at this address')
    const { bytes } = bits
    do bits.at++
    while (bits.at < bytes.length * 8 && ((bytes[bits.at >> 3]! >> (bits.at & 7)) & 1) === 0)
    if (bits.at >= bytes.length * 8) return 0n
    // The kernel's pointer also points into the iterator.
    const value = new Uint8Array(4)
    new DataView(value.buffer).setInt32(0, bits.at, true)
    machine.memory.write(iterator! + 12n, value, 'bpf_iter_bits')
    return iterator! + 12n
  },
  bpf_iter_bits_destroy(machine, iterator) {
    iteratorsOf(machine).delete(iterator!)
    return 0
  },
}
