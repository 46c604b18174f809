import type { BtfTypes } from './parse.js'
import type { BtfMember, BtfStruct, BtfUnion } from './types.js'

/** Where a member is, counted from the start of the struct or union that was asked. @internal */
export type FoundMember = Pick<BtfMember, 'typeId' | 'bitOffset' | 'bitfieldSize'>

/** Finds a member by name. Members of anonymous structs and unions count as members of the one around them. @internal */
export function findMember(
  btf: BtfTypes,
  record: BtfStruct | BtfUnion,
  name: string,
): FoundMember | undefined {
  for (const { name: own, typeId, bitOffset, bitfieldSize } of record.members) {
    if (own === name) return { typeId, bitOffset, bitfieldSize }
    const inner = own === '' ? btf.resolve(typeId) : undefined
    if (inner?.kind !== 'struct' && inner?.kind !== 'union') continue
    const found = findMember(btf, inner, name)
    if (found !== undefined) return { ...found, bitOffset: bitOffset + found.bitOffset }
  }
  return undefined
}
