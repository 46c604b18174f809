// The kernel's iterator over numbers: bpf_iter_num_new, _next and _destroy.
import { errno } from '../errno.js'
import type { Helper } from '../machine.js'

const { EINVAL, E2BIG } = errno
const mostRounds = 8n * 1024n * 1024n

const signed = (value: bigint | undefined): bigint => BigInt.asIntN(32, value ?? 0n)

function write(pointer: bigint, current: bigint, end: bigint, machine: Parameters<Helper>[0]): void {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setInt32(0, Number(current), true)
  view.setInt32(4, Number(end), true)
  machine.memory.write(pointer, bytes, 'bpf_iter_num')
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
}
