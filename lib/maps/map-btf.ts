// The types of a map that is created without an object.
import type { Btf } from '../btf/btf.js'
import type { KernelTypes, MapBtf, MapOptions } from './types.js'

/** Loads the types into the kernel while the map is being created, which then keeps them. @internal */
export function withKernelTypes<T>(
  btf: MapBtf | undefined,
  token: number,
  use: (types: KernelTypes | undefined) => T,
): T {
  if (btf === undefined) return use(undefined)
  const { types } = btf
  const [key, value] = [idOf(types, btf.key), idOf(types, btf.value)]
  return types.inKernel(token, (fd) => use({ fd: () => fd, key, value }))
}

/** Adds codecs of these types for keys and values that have none. @internal */
export function withCodecs<K, V>(options: MapOptions<K, V>): MapOptions<K, V> {
  const { btf } = options
  if (btf === undefined) return options
  const { key = btf.types.codec<K>(btf.key), value = btf.types.codec<V>(btf.value) } = options
  return { ...options, key, value }
}

function idOf({ types }: Btf, type: string | number): number {
  return typeof type === 'number' ? type : types.valueType(type).id
}
