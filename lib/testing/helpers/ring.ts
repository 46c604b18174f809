import { errno } from '../errno.js'
import type { Helper, Machine } from '../machine.js'
import type { PlacedRecord } from '../records.js'

const { EINVAL, ENOSPC, E2BIG } = errno

/** Records that are neither submitted nor discarded yet, by their addresses. */
const reservations = new WeakMap<Machine, Map<bigint, PlacedRecord>>()
const reservationsOf = (machine: Machine): Map<bigint, PlacedRecord> => {
  const known = reservations.get(machine) ?? new Map()
  reservations.set(machine, known)
  return known
}

function finish(machine: Machine, pointer: bigint, helper: string, state: 'there' | 'discarded'): number {
  const record = reservationsOf(machine).get(pointer)
  if (record === undefined) machine.fault(`${helper}: the argument is not a record from bpf_ringbuf_reserve`)
  const { region } = machine.memory.expect(pointer, helper)
  record.bytes = machine.memory.bytes.slice(region.base, region.base + record.size)
  record.state = state
  machine.memory.retire(region, `was given up by ${helper}`)
  reservationsOf(machine).delete(pointer)
  machine.references.delete(pointer)
  return 0
}

const perfEventOutput: Helper = (machine, _context, mapPointer, flags, data, size) => {
  const map = machine.mapAt(mapPointer!, 'bpf_perf_event_output')
  const cpu = Number(BigInt.asUintN(32, flags!))
  if (cpu !== 0xffff_ffff && cpu >= machine.cpus) return -E2BIG
  const bytes = machine.memory.read(data!, Number(size), 'bpf_perf_event_output')
  if (machine.isFull(map.name, bytes.length)) return -ENOSPC
  machine.emit(map.name, bytes)
  return 0
}

export const ringHelpers: Readonly<Record<string, Helper>> = {
  ringbuf_reserve(machine, mapPointer, size, flags) {
    const map = machine.mapAt(mapPointer!, 'bpf_ringbuf_reserve')
    const length = Number(size)
    if (flags !== 0n || length > map.maxEntries - 8) return 0n
    if (machine.isFull(map.name, length)) return 0n
    const region = machine.memory.region('record', `the record of ring buffer '${map.name}'`, length, {
      temporary: true,
    })
    const pointer = machine.memory.pointer(region)
    reservationsOf(machine).set(pointer, machine.recordsOf(map.name).reserve(length))
    return machine.acquire(
      pointer,
      `record of ring buffer '${map.name}'`,
      'bpf_ringbuf_submit or bpf_ringbuf_discard',
    )
  },

  ringbuf_submit: (machine, pointer) => finish(machine, pointer!, 'bpf_ringbuf_submit', 'there'),

  ringbuf_discard: (machine, pointer) => finish(machine, pointer!, 'bpf_ringbuf_discard', 'discarded'),

  ringbuf_output(machine, mapPointer, data, size, flags) {
    if ((flags! & ~3n) !== 0n) return -EINVAL
    const map = machine.mapAt(mapPointer!, 'bpf_ringbuf_output')
    const bytes = machine.memory.read(data!, Number(size), 'bpf_ringbuf_output')
    if (machine.isFull(map.name, bytes.length)) return -errno.EAGAIN
    machine.emit(map.name, bytes)
    return 0
  },

  ringbuf_query(machine, mapPointer, flags) {
    const map = machine.mapAt(mapPointer!, 'bpf_ringbuf_query')
    const { used } = machine.recordsOf(map.name)
    return [used, map.maxEntries, 0, used][Number(flags)] ?? 0
  },

  perf_event_output: perfEventOutput,
  skb_output: perfEventOutput,
  xdp_output: perfEventOutput,
}
