import type { BtfTypes } from '../btf/parse.js'
import { littleEndian as machineIsLittleEndian } from '../machine/byte-order.js'
import { BtfWriter, type Linkage } from './btf-writer.js'
import type { CType, PrototypeType } from './c-types.js'

/** What {@link buildBtf} writes. */
export interface BtfDefinition {
  /** Types. Those that they refer to are written as well; identical types are written once. */
  types?: Iterable<CType>
  /** Functions by name. */
  functions?: Readonly<Record<string, PrototypeType>>
  /** Variables by name. */
  variables?: Readonly<Record<string, CType>>
  /** How the functions and variables are linked; 'global' by default. */
  linkage?: Linkage
  /** Tags (`btf_decl_tag`) of types, by the type. Members of structs have their own `tags`. */
  tags?: Iterable<readonly [type: CType, tag: string]>
}

/** Options for {@link buildBtf}. */
export interface BtfBuildOptions {
  littleEndian?: boolean
  base?: BtfTypes
}

/**
 * Writes BTF as bytes: for `Btf.fromBytes` or `BtfTypes`, to decode structs that no object file describes, or as the
 * target of a test of CO-RE.
 *
 * @param options - `littleEndian`: the byte order; by default that of this machine, or of the base. `base`: the BTF
 * that this one extends, as that of a module extends the kernel's; read the bytes with the same base
 *
 * @example
 * const event = types.struct('event', { pid: types.u32, comm: types.array(types.char, 16) })
 * const codec = new BtfTypes(buildBtf({ types: [event] })).codec('event')
 */
export function buildBtf(
  definition: BtfDefinition,
  { base, littleEndian = base?.littleEndian ?? machineIsLittleEndian }: BtfBuildOptions = {},
): Uint8Array {
  const { types = [], functions = {}, variables = {}, linkage = 'global', tags = [] } = definition
  const writer = new BtfWriter(littleEndian, base)
  for (const type of types) writer.type(type)
  for (const [name, type] of Object.entries(functions)) writer.function(name, type, linkage)
  for (const [name, type] of Object.entries(variables)) writer.variable(name, type, linkage)
  for (const [type, tag] of tags) writer.declTag(tag, writer.type(type))
  return writer.bytes()
}
