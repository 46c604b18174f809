// Pages of an arena: bpf_arena_alloc_pages and bpf_arena_free_pages.
import type { Helper, Machine } from '../machine.js'
import type { EmulatedMap } from '../maps.js'

const pageSize = 4096

/** How many pages of each arena are in use. */
const taken = new WeakMap<EmulatedMap, number>()

/** The first pages hold the object's variables. */
function takenOf(machine: Machine, map: EmulatedMap): number {
  return taken.get(map) ?? Math.ceil((machine.sections.get('.addr_space.1')?.size ?? 0) / pageSize)
}

/** Kernel functions that are emulated, by name. */
export const arenaFunctions: Readonly<Record<string, Helper>> = {
  bpf_arena_alloc_pages(machine, mapPointer, _address, pages) {
    const map = machine.mapAt(mapPointer!, 'bpf_arena_alloc_pages')
    const [count, before] = [Number(pages! & 0xffff_ffffn), takenOf(machine, map)]
    if (count === 0 || before + count > map.maxEntries) return 0n
    taken.set(map, before + count)
    return machine.memory.pointer(
      machine.memory.region('global data', 'pages of the arena', count * pageSize),
    )
  },
  bpf_arena_free_pages(machine, mapPointer, address, pages) {
    const map = machine.mapAt(mapPointer!, 'bpf_arena_free_pages')
    const count = Number(pages! & 0xffff_ffffn)
    const found = machine.memory.find(address!)
    if (found === undefined || found.offset !== 0 || found.region.size !== count * pageSize)
      return machine.fault(
        'bpf_arena_free_pages: the emulator releases only the whole of what was allocated at once',
      )
    machine.memory.retire(found.region, 'was released')
    taken.set(map, takenOf(machine, map) - count)
    return 0
  },
}
