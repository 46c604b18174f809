// Values that belong to a thread, a socket, an inode or a cgroup, and that are freed with it.
import type { HelperName } from '../../asm/helper-names.js'
import { kernelArgument } from '../helpers/call.js'
import type { Argument } from '../ir.js'
import type { Value } from '../values.js'
import { isZero, type MapCall, type MapFunctions, mapArgument } from './memory.js'

/** BPF_LOCAL_STORAGE_GET_F_CREATE */
const create = 1

export const storageFunctions: MapFunctions = {
  get: { least: 1, call: (call) => get(call, 0) },
  getOrCreate: { least: 1, call: (call) => get(call, create) },
  delete: { least: 1, call: remove },
}

interface Owner {
  readonly get: HelperName
  readonly delete: HelperName
  readonly record: string | undefined
}

const owners: Readonly<Record<string, Owner>> = {
  taskStorage: { get: 'task_storage_get', delete: 'task_storage_delete', record: 'task_struct' },
  socketStorage: { get: 'sk_storage_get', delete: 'sk_storage_delete', record: undefined },
  inodeStorage: { get: 'inode_storage_get', delete: 'inode_storage_delete', record: 'inode' },
  cgroupStorage: { get: 'cgrp_storage_get', delete: 'cgrp_storage_delete', record: 'cgroup' },
}

/** The value of an owner, or null if it has none; or if there is no room for one. */
function get(call: MapCall, flags: number): Value {
  const { compiler, map } = call
  const args = [mapArgument(map), owner(call), { imm: 0 }, { imm: flags }]
  const reg = compiler.call(owners[map.map.kind]!.get, args)
  return { kind: 'pointer', reg, type: map.map.value!, shared: true, origin: map }
}

function remove(call: MapCall): Value {
  const { compiler, map } = call
  return isZero(compiler, compiler.call(owners[map.map.kind]!.delete, [mapArgument(map), owner(call)]))
}

function owner({ compiler, map, args, scope }: MapCall): Argument {
  const { record } = owners[map.map.kind]!
  return kernelArgument(compiler, { name: record === undefined ? 'sk' : record, record }, args[0]!, scope)
}
