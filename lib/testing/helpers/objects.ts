// Objects that programs allocate, with lists and trees of them: bpf_obj_new, bpf_list_push_back, bpf_rbtree_add and
// their like.
import type { Helper, Machine } from '../machine.js'
import type { Region } from '../memory.js'

interface Objects {
  readonly all: Set<Region>
  /**
   * The addresses of the nodes in lists and trees, by the number that is stored in each list or tree. 0 is never used.
   */
  readonly contents: bigint[][]
  /** Those that were freed, the oldest one first. */
  readonly freed: Region[]
}

const states = new WeakMap<Machine, Objects>()

function objectsOf(machine: Machine): Objects {
  const known = states.get(machine) ?? { all: new Set(), contents: [[]], freed: [] }
  states.set(machine, known)
  return known
}

/**
 * The nodes of a list or a tree. One that was never used contains zeros, even if there was another one at its address.
 */
function nodesOf(machine: Machine, root: bigint, what: string): bigint[] {
  const { contents } = objectsOf(machine)
  const known =
    contents[Number(new DataView(machine.memory.read(root, 8, what).slice().buffer).getBigUint64(0, true))]
  if (known !== undefined && known !== contents[0]) return known
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(contents.length), true)
  machine.memory.write(root, bytes, what)
  const nodes: bigint[] = []
  contents.push(nodes)
  return nodes
}

/** The object that a node is in. */
function objectAt(machine: Machine, node: bigint, what: string): { region: Region; pointer: bigint } {
  const { region } = machine.memory.expect(node, what)
  if (!objectsOf(machine).all.has(region)) machine.fault(`${what}: this is not an object of bpf_obj_new`)
  return { region, pointer: machine.memory.pointer(region) }
}

/** How many freed objects are remembered, so that the error for an access to one of them can say that it was freed. */
const mostFreed = 1000

/** The place of an object that was freed long ago, for reuse if it has the right size. */
function reused(machine: Machine, size: number): { base?: number } {
  const { freed } = objectsOf(machine)
  const oldest = freed.length > mostFreed ? freed.shift() : undefined
  if (oldest === undefined) return {}
  machine.memory.release(oldest)
  return oldest.size === size ? { base: oldest.base } : {}
}

/** From now on, the program has to release the object. */
function hold(machine: Machine, node: bigint, what: string): bigint {
  const { pointer } = objectAt(machine, node, what)
  machine.acquire(pointer, 'reference to an object', 'bpf_obj_drop, or a list or a tree,')
  return node
}

/** An object that the program holds, and no longer holds afterwards. */
function giveUp(machine: Machine, node: bigint, what: string): Region {
  const { region, pointer } = objectAt(machine, node, what)
  if (!machine.references.delete(pointer)) machine.fault(`${what}: the program does not hold this object`)
  return region
}

function expectLock(machine: Machine, what: string): void {
  for (const reference of machine.references.values()) if (reference.what === 'lock') return
  machine.fault(`${what}: the lock next to it is not held`)
}

const push =
  (name: string, add: 'push' | 'unshift'): Helper =>
  (machine, root, node) => {
    expectLock(machine, name)
    giveUp(machine, node!, name)
    nodesOf(machine, root!, name)[add](node!)
    return 0
  }

const pop =
  (name: string, take: 'pop' | 'shift'): Helper =>
  (machine, root) => {
    expectLock(machine, name)
    const node = nodesOf(machine, root!, name)[take]()
    return node === undefined ? 0n : hold(machine, node, name)
  }

/** Kernel functions that are emulated, by name. */
export const objectFunctions: Readonly<Record<string, Helper>> = {
  bpf_obj_new_impl(machine, typeId) {
    const btf = machine.object.btf!
    const type = btf.resolve(Number(typeId))
    const size = btf.sizeOf(type.id)
    const region = machine.memory.region('kernel memory', 'an object', size, reused(machine, size))
    // The kernel clears only what it manages there itself, such as kptrs.
    machine.memory.bytes.fill(0xaa, region.base, region.base + size)
    for (const { typeId, bitOffset } of type.kind === 'struct' ? type.members : []) {
      const at = region.base + bitOffset / 8
      if (btf.resolve(typeId).kind === 'ptr') machine.memory.bytes.fill(0, at, at + 8)
    }
    objectsOf(machine).all.add(region)
    return hold(machine, machine.memory.pointer(region), 'bpf_obj_new')
  },
  bpf_obj_drop_impl(machine, pointer) {
    const region = giveUp(machine, pointer!, 'bpf_obj_drop')
    const { all, freed } = objectsOf(machine)
    all.delete(region)
    machine.memory.retire(region, 'was given up by bpf_obj_drop')
    freed.push(region)
    return 0
  },
  bpf_list_push_front_impl: push('bpf_list_push_front', 'unshift'),
  bpf_list_push_back_impl: push('bpf_list_push_back', 'push'),
  bpf_list_pop_front: pop('bpf_list_pop_front', 'shift'),
  bpf_list_pop_back: pop('bpf_list_pop_back', 'pop'),
  bpf_rbtree_add_impl(machine, root, node, less) {
    const what = 'bpf_rbtree_add'
    expectLock(machine, what)
    const isLess = machine.functionAt(less!, what)
    giveUp(machine, node!, what)
    const nodes = nodesOf(machine, root!, what)
    // After those that are equal to it.
    const at = nodes.findIndex((one) => machine.call(isLess, [node!, one]) !== 0n)
    nodes.splice(at < 0 ? nodes.length : at, 0, node!)
    return 0
  },
  bpf_rbtree_first(machine, root) {
    expectLock(machine, 'bpf_rbtree_first')
    return nodesOf(machine, root!, 'bpf_rbtree_first')[0] ?? 0n
  },
  bpf_rbtree_remove(machine, root, node) {
    const what = 'bpf_rbtree_remove'
    expectLock(machine, what)
    const nodes = nodesOf(machine, root!, what)
    const at = nodes.indexOf(node!)
    if (at < 0) return 0n
    nodes.splice(at, 1)
    return hold(machine, node!, what)
  },
}
