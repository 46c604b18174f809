import { defineLive, type Live, live, type Memory, sealed } from '../btf/live-memory.js'
import type { BtfTypes } from '../btf/parse.js'
import { Planner } from '../btf/plan.js'
import { BpfError } from '../errors/errors.js'
import type { BpfMap } from '../maps/map.js'
import { sectionMemory } from '../maps/section-memory.js'
import { native } from '../native/binding.js'
import { programHandles } from '../native/handles.js'
import type { Program } from '../programs/program.js'

/**
 * The initial value of a struct_ops map by member. Functions are programs; everything else works like global variables.
 */
export type StructOps = Record<string, unknown>

/** What struct_ops maps need from their object. @internal */
export interface StructOpsOwner {
  readonly name: string
  readonly types: BtfTypes
  readonly programs: ReadonlyMap<string, Program>
  /** Whether loading has begun. From then on the kernel owns the values. */
  readonly loadTried: boolean
}

/** Creates an object with a property for each struct_ops map. @internal */
export function structOpsOf(
  owner: StructOpsOwner,
  maps: Iterable<BpfMap<unknown, unknown>>,
): Readonly<Record<string, StructOps>> {
  const all = {}
  for (const map of maps) {
    if (map.type === 'struct_ops') {
      Object.defineProperty(all, map.name, { enumerable: true, value: membersOf(owner, map) })
    }
  }
  return Object.freeze(all)
}

function membersOf(owner: StructOpsOwner, map: BpfMap<unknown, unknown>): StructOps {
  const { types } = owner
  const type = types.resolve(map.btfValueTypeId)
  const plan = new Planner(types, false).plan(type.id)
  const record = {}
  if (type.kind !== 'struct' || plan.op !== 'record') return sealed(record)
  const memory = memoryOf(owner, map)
  const functions = new Set(
    type.members.filter(({ typeId }) => isFunction(types, typeId)).map(({ name }) => name),
  )
  for (const { name, offset, plan: member } of plan.fields) {
    const path = `${map.name}.${name}`
    const value = live(memory, member, offset, path)
    defineLive(record, name, functions.has(name) ? programAt(owner, value, path) : value)
  }
  return sealed(record)
}

/** Whether a member is a function. In the initial value such a member holds a program. @internal */
export function isFunction(types: BtfTypes, typeId: number): boolean {
  const type = types.resolve(typeId)
  return type.kind === 'ptr' && types.resolve(type.typeId).kind === 'func_proto'
}

function memoryOf(owner: StructOpsOwner, map: BpfMap<unknown, unknown>): Memory {
  const expectOpen = () => {
    if (!owner.loadTried) return
    throw new BpfError(
      `object '${owner.name}': struct_ops map '${map.name}' cannot be read or changed once the object is loaded; do it before`,
      { code: 'ERR_BPF_STATE', object: owner.name, map: map.name },
    )
  }
  const bytes = sectionMemory(map)
  return {
    littleEndian: owner.types.littleEndian,
    read(offset, target) {
      expectOpen()
      bytes.read(offset, target)
    },
    write(offset, source) {
      expectOpen()
      bytes.write(offset, source)
    },
  }
}

/** A member that points to a program. */
function programAt({ name, programs }: StructOpsOwner, pointer: Live, path: string): Live {
  const pointerOf = (program: Program) => native.programPointer(programHandles.of(program))
  return {
    get() {
      const value = pointer.get()
      return value === 0n ? undefined : [...programs.values()].find((one) => pointerOf(one) === value)
    },
    set(program) {
      if (program === undefined) return pointer.set(0n)
      const isOwn = [...programs.values()].some((one) => one === program)
      if (!isOwn) throw new TypeError(`${path}: expected a program of object '${name}'`)
      pointer.set(pointerOf(program as Program))
    },
  }
}
