import { cDeclaration, cType } from '../btf/c-type.js'
import type { BtfTypes } from '../btf/parse.js'
import type { HookParameter } from './hook.js'

export const isRecord = (types: BtfTypes, id: number): boolean =>
  ['struct', 'union'].includes(types.resolve(id).kind)

/** @internal */
export function parameter(types: BtfTypes, name: string, typeId: number): HookParameter {
  return {
    name,
    type: cType(types, typeId),
    declaration: cDeclaration(types, typeId, name),
    ...(isRecord(types, typeId) && { byValue: true }),
  }
}

/** The members of a context. A pointer is in a union without a name, which makes it 64 bits wide everywhere. */
export function membersOf(types: BtfTypes, struct: string): HookParameter[] {
  const members = types.find(struct, 'struct')?.members ?? []
  return members.flatMap(({ name, typeId }) => {
    if (name !== '') return parameter(types, name, typeId)
    const type = types.resolve(typeId)
    const [inner] = type.kind === 'union' ? type.members : []
    return inner === undefined || inner.name === '' ? [] : parameter(types, inner.name, inner.typeId)
  })
}
