import type { MapHandle } from '../../types/binding.js'
import type { Codec, CodecOptions } from '../btf/codec.js'
import type { BtfTypes } from '../btf/parse.js'
import { Planner } from '../btf/plan.js'
import { bytesCodec, type ElementCodec } from '../maps/element-codec.js'
import { declaredLayout } from '../maps/layout.js'
import type { BpfMap } from '../maps/map.js'
import type { CodecsOf, InnerDeclaration, MapCodecs } from '../maps/types.js'
import { native } from '../native/binding.js'

/** What the codecs of maps need from their object. @internal */
export interface TypeSource {
  readonly types: BtfTypes
  compile(typeId: number, options: CodecOptions): Codec<unknown>
  /** The descriptor of the object's BTF in the kernel. */
  btfFd(): number
}

/** The ids of two types in the object's BTF; 0 for none. */
interface ElementTypes {
  key: number
  value: number
}

/**
 * Returns what makes the codecs of a map, or `undefined` if the map has no types. Call it before load: loading makes
 * libbpf forget the types of maps for which the kernel accepts none, such as sockmaps.
 *
 * @internal
 */
export function codecsOf(source: TypeSource, map: MapHandle): CodecsOf | undefined {
  return codecsFor(source, elementTypes(map))
}

/**
 * Describes the maps in a map of maps. Call it before load, too, because libbpf then drops the inner map. @internal
 */
export function innerDeclaration(source: TypeSource, outer: MapHandle): InnerDeclaration | undefined {
  const inner = native.mapInnerMap(outer)
  if (inner === undefined) return undefined
  const types = elementTypes(inner)
  const btf = { ...types, fd: () => source.btfFd() }
  return { layout: declaredLayout(inner), codecs: codecsFor(source, types), btf }
}

function elementTypes(map: MapHandle): ElementTypes {
  return { key: native.mapBtfKeyTypeId(map), value: native.mapBtfValueTypeId(map) }
}

function codecsFor(source: TypeSource, types: ElementTypes): CodecsOf | undefined {
  if (types.key === 0 && types.value === 0) return undefined
  return (map) => mapCodecs(source, types, map)
}

function mapCodecs(source: TypeSource, types: ElementTypes, map: BpfMap<unknown, unknown>): MapCodecs {
  // Bytes if there is no type, as for the keys of queues, or if another size was set before load.
  const element = (name: string, type: number, size: number): ElementCodec => {
    const codec = type === 0 ? undefined : source.compile(type, { name })
    return codec?.size === size ? codec : (bytesCodec(name, size) as ElementCodec)
  }
  const key = element('key', types.key, map.keySize)
  const value = element('value', types.value, map.valueSize)
  if (!('size' in value)) return { key, value }
  const plan = () => new Planner(source.types, false).plan(types.value)
  return { key, value, plan, littleEndian: source.types.littleEndian }
}
