// struct bpf_dynptr: a pointer with a length that is checked at run time. Its 16 bytes in memory mean nothing; what it
// points to is kept here.
import { errno } from '../errno.js'
import type { Helper, Machine } from '../machine.js'
import { ringHelpers } from './ring.js'

const { EINVAL, E2BIG } = errno
const dynptrSize = 16

interface Dynptr {
  readonly pointer: bigint
  readonly size: number
}

const all = new WeakMap<Machine, Map<bigint, Dynptr | undefined>>()

function dynptrsOf(machine: Machine): Map<bigint, Dynptr | undefined> {
  const known = all.get(machine) ?? new Map()
  all.set(machine, known)
  return known
}

/** Makes the dynptr at an address; one that could not be made answers every use with an error. */
export function setDynptr(
  machine: Machine,
  address: bigint,
  dynptr: Dynptr | undefined,
  helper: string,
): void {
  machine.memory.write(address, new Uint8Array(dynptrSize), helper)
  dynptrsOf(machine).set(address, dynptr)
}

function dynptrAt(machine: Machine, address: bigint, helper: string): Dynptr | undefined {
  const dynptrs = dynptrsOf(machine)
  if (!dynptrs.has(address)) machine.fault(`${helper}: the argument is not a dynptr`)
  return dynptrs.get(address)
}

const fits = ({ size }: Dynptr, offset: bigint, length: bigint): boolean => offset + length <= BigInt(size)

const finish =
  (name: 'ringbuf_submit' | 'ringbuf_discard'): Helper =>
  (machine, address, flags) => {
    const dynptr = dynptrAt(machine, address!, `bpf_${name}_dynptr`)
    dynptrsOf(machine).delete(address!)
    if (dynptr !== undefined) ringHelpers[name]!(machine, dynptr.pointer, flags!)
    machine.references.delete(address!)
    return 0
  }

export const dynptrHelpers: Readonly<Record<string, Helper>> = {
  dynptr_from_mem(machine, data, size, flags, address) {
    const helper = 'bpf_dynptr_from_mem'
    const length = Number(BigInt.asUintN(32, size!))
    machine.memory.locate(data!, length, 'write', helper)
    setDynptr(machine, address!, flags === 0n ? { pointer: data!, size: length } : undefined, helper)
    return flags === 0n ? 0 : -EINVAL
  },

  ringbuf_reserve_dynptr(machine, map, size, flags, address) {
    const pointer = ringHelpers.ringbuf_reserve!(machine, map!, BigInt.asUintN(32, size!), flags!) as bigint
    const dynptr = pointer === 0n ? undefined : { pointer, size: Number(BigInt.asUintN(32, size!)) }
    setDynptr(machine, address!, dynptr, 'bpf_ringbuf_reserve_dynptr')
    // The program has to submit or discard it even if there was no room.
    machine.references.delete(pointer)
    machine.acquire(address!, 'dynptr', 'bpf_ringbuf_submit_dynptr or bpf_ringbuf_discard_dynptr')
    return dynptr === undefined ? -EINVAL : 0
  },
  ringbuf_submit_dynptr: finish('ringbuf_submit'),
  ringbuf_discard_dynptr: finish('ringbuf_discard'),

  dynptr_read(machine, to, length, address, offset, flags) {
    const dynptr = dynptrAt(machine, address!, 'bpf_dynptr_read')
    if (dynptr === undefined || flags !== 0n) return -EINVAL
    if (!fits(dynptr, offset!, length!)) return -E2BIG
    const bytes = machine.memory.read(dynptr.pointer + offset!, Number(length), 'bpf_dynptr_read')
    machine.memory.write(to!, bytes, 'bpf_dynptr_read')
    return 0
  },

  dynptr_write(machine, address, offset, from, length, flags) {
    const dynptr = dynptrAt(machine, address!, 'bpf_dynptr_write')
    if (dynptr === undefined || flags !== 0n) return -EINVAL
    if (!fits(dynptr, offset!, length!)) return -E2BIG
    const bytes = machine.memory.read(from!, Number(length), 'bpf_dynptr_write')
    machine.memory.write(dynptr.pointer + offset!, bytes, 'bpf_dynptr_write')
    return 0
  },

  dynptr_data(machine, address, offset, length) {
    const dynptr = dynptrAt(machine, address!, 'bpf_dynptr_data')
    return dynptr !== undefined && fits(dynptr, offset!, length!) ? dynptr.pointer + offset! : 0n
  },

  /** Takes the records that a test has put into the map's `queue`, one callback for each. */
  user_ringbuf_drain(machine, mapPointer, callback, context) {
    const helper = 'bpf_user_ringbuf_drain'
    const map = machine.mapAt(mapPointer!, helper)
    const fn = machine.functionAt(callback!, helper)
    let count = 0
    for (let record = map.queue.shift(); record !== undefined; record = map.queue.shift()) {
      const temporary = { temporary: true, writable: false }
      const sample = machine.memory.region('record', `a record of '${map.name}'`, record.length, temporary)
      machine.memory.bytes.set(record, sample.base)
      const dynptr = machine.memory.region('record', 'a dynptr', dynptrSize, { temporary: true })
      const address = machine.memory.pointer(dynptr)
      setDynptr(machine, address, { pointer: machine.memory.pointer(sample), size: record.length }, helper)
      count++
      if (machine.call(fn, [address, context!]) !== 0n) break
    }
    return count
  },
}
