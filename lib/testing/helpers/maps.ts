import { errno } from '../errno.js'
import type { Helper, Machine } from '../machine.js'
import { type EmulatedMap, keyText } from '../maps.js'

const { EINVAL, ENOENT, E2BIG } = errno

const keyAt = (machine: Machine, map: EmulatedMap, pointer: bigint, what: string): Uint8Array =>
  machine.memory.read(pointer, map.keySize, `${what}, key`)

function lookup(machine: Machine, mapPointer: bigint, keyPointer: bigint, cpu: number, what: string): bigint {
  const map = machine.mapAt(mapPointer, what)
  if (map.innerMaps !== undefined) return innerMap(machine, map, keyPointer, what)
  return map.lookup(keyAt(machine, map, keyPointer, what), cpu)
}

function innerMap(machine: Machine, map: EmulatedMap, keyPointer: bigint, what: string): bigint {
  const inner = map.innerMaps!.get(keyText(keyAt(machine, map, keyPointer, what)))
  return inner === undefined ? 0n : machine.memory.pointer(inner.region)
}

function* storageKey(machine: Machine, pointer: bigint): Generator<Uint8Array> {
  const found = machine.memory.find(pointer)
  if (found !== undefined) yield new Uint8Array(Uint32Array.of(found.region.id).buffer)
}

/** Storage that belongs to a task, socket, inode or cgroup: the owner's address is the key. */
const storageGet =
  (name: string): Helper =>
  (machine, mapPointer, owner, initial, flags) => {
    const map = machine.mapAt(mapPointer!, name)
    for (const key of storageKey(machine, owner!)) {
      const value = map.lookup(key, machine.cpu)
      if (value !== 0n || (flags! & 1n) === 0n) return value
      const bytes =
        initial === 0n ? new Uint8Array(map.valueSize) : machine.memory.read(initial!, map.valueSize, name)
      map.update(key, bytes, 0)
      return map.lookup(key, machine.cpu)
    }
    return 0n
  }

const storageDelete =
  (name: string): Helper =>
  (machine, mapPointer, owner) => {
    const map = machine.mapAt(mapPointer!, name)
    for (const key of storageKey(machine, owner!)) return map.delete(key)
    return -ENOENT
  }

const push =
  (name: string): Helper =>
  (machine, mapPointer, value, flags) => {
    const map = machine.mapAt(mapPointer!, name)
    const bytes = machine.memory.read(value!, map.valueSize, name)
    if (map.type === 'bloom_filter') return map.update(bytes, new Uint8Array(0), 0)
    if (map.queue.length >= map.maxEntries) {
      // BPF_EXIST pushes out the oldest.
      if ((flags! & 2n) === 0n) return -E2BIG
      map.queue.shift()
    }
    map.queue.push(bytes)
    return 0
  }

const take =
  (name: string, removes: boolean): Helper =>
  (machine, mapPointer, value) => {
    const map = machine.mapAt(mapPointer!, name)
    if (map.type === 'bloom_filter') {
      const bytes = machine.memory.read(value!, map.valueSize, name)
      return map.get(bytes) === undefined ? -ENOENT : 0
    }
    const at = map.type === 'stack' ? map.queue.length - 1 : 0
    const element = map.queue[at]
    machine.memory.write(value!, element ?? new Uint8Array(map.valueSize), name)
    if (element === undefined) return -ENOENT
    if (removes) map.queue.splice(at, 1)
    return 0
  }

export const mapHelpers: Readonly<Record<string, Helper>> = {
  map_lookup_elem: (machine, map, key) => lookup(machine, map!, key!, machine.cpu, 'bpf_map_lookup_elem'),

  map_lookup_percpu_elem(machine, map, key, cpu) {
    const name = 'bpf_map_lookup_percpu_elem'
    return Number(cpu) < machine.cpus ? lookup(machine, map!, key!, Number(cpu), name) : 0n
  },

  map_update_elem(machine, mapPointer, key, value, flags) {
    const what = 'bpf_map_update_elem'
    const map = machine.mapAt(mapPointer!, what)
    const bytes = machine.memory.read(value!, map.valueSize, `${what}, value`)
    return map.update(keyAt(machine, map, key!, what), bytes, Number(flags), machine.cpu)
  },

  map_delete_elem(machine, mapPointer, key) {
    const map = machine.mapAt(mapPointer!, 'bpf_map_delete_elem')
    return map.delete(keyAt(machine, map, key!, 'bpf_map_delete_elem'))
  },

  map_push_elem: push('bpf_map_push_elem'),
  map_pop_elem: take('bpf_map_pop_elem', true),
  map_peek_elem: take('bpf_map_peek_elem', false),

  for_each_map_elem(machine, mapPointer, callback, context, flags) {
    const what = 'bpf_for_each_map_elem'
    if (flags !== 0n) return -EINVAL
    const map = machine.mapAt(mapPointer!, what)
    const fn = machine.functionAt(callback!, what)
    let count = 0
    for (const { key, value } of map.pointers(machine.cpu)) {
      const region = machine.memory.region('map value', `a key of map '${map.name}'`, map.keySize, {
        writable: false,
        temporary: true,
      })
      machine.memory.bytes.set(key, region.base)
      count++
      if (machine.call(fn, [mapPointer!, machine.memory.pointer(region), value, context!]) !== 0n) break
    }
    return count
  },

  tail_call(machine, _context, mapPointer, index) {
    const map = machine.mapAt(mapPointer!, 'bpf_tail_call')
    const target = map.programs?.get(Number(BigInt.asUintN(32, index!)))
    if (target !== undefined) machine.tailCall(target)
    // The kernel's tail call does not return a value when it fails; the program continues.
    return target === undefined ? -ENOENT : 0
  },

  task_storage_get: storageGet('bpf_task_storage_get'),
  task_storage_delete: storageDelete('bpf_task_storage_delete'),
  sk_storage_get: storageGet('bpf_sk_storage_get'),
  sk_storage_delete: storageDelete('bpf_sk_storage_delete'),
  inode_storage_get: storageGet('bpf_inode_storage_get'),
  inode_storage_delete: storageDelete('bpf_inode_storage_delete'),
  cgrp_storage_get: storageGet('bpf_cgrp_storage_get'),
  cgrp_storage_delete: storageDelete('bpf_cgrp_storage_delete'),

  spin_lock(machine, lock) {
    machine.memory.locate(lock!, 4, 'write', 'bpf_spin_lock')
    if (machine.references.has(lock!)) machine.fault('bpf_spin_lock: the lock is held already')
    machine.acquire(lock!, 'lock', 'bpf_spin_unlock')
    return 0
  },

  spin_unlock(machine, lock) {
    if (!machine.references.delete(lock!)) machine.fault('bpf_spin_unlock: the lock is not held')
    return 0
  },

  kptr_xchg(machine, slot, pointer) {
    const old = machine.load(slot!, 8)
    machine.store(slot!, 8, pointer!)
    if (old !== 0n) machine.acquire(old, 'pointer from bpf_kptr_xchg', 'a release or another bpf_kptr_xchg')
    machine.references.delete(pointer!)
    return old
  },
}
