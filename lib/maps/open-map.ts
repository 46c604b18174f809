import type { MapHandle } from '../../types/binding.js'
import { Btf } from '../btf/btf.js'
import { compile } from '../btf/codec.js'
import type { BtfTypes } from '../btf/parse.js'
import { attempt } from '../errors/attempt.js'
import { kernelTypes } from '../machine/kernel-types.js'
import { native } from '../native/binding.js'
import { bytesCodec, type ElementCodec } from './element-codec.js'
import { BpfMap } from './map.js'
import type { OpenFlags } from './types.js'

/**
 * Opens a map of another process by its id. Keys and values have the types of the BTF that the map was created with;
 * without BTF they are bytes. (`bpf_map_get_fd_by_id`, Linux 4.13; requires CAP_SYS_ADMIN)
 */
export function openMap<K = unknown, V = unknown>(id: number, { flags = 0 }: OpenFlags = {}): BpfMap<K, V> {
  const subject = {
    what: `open the map with id ${id}`,
    arguments: ['id', 'flags'],
    capabilities: () => ['CAP_SYS_ADMIN' as const],
  }
  return typedMap(attempt(subject, () => native.mapFromId(id, flags)))
}

/** A map with the types of the BTF that it was created with. @internal */
export function typedMap<K, V>(handle: MapHandle): BpfMap<K, V> {
  return new BpfMap<K, V>(handle, undefined, (map) => {
    const { btfId, btfKeyTypeId, btfValueTypeId, btfVmlinuxValueTypeId } = map.info()
    using btf = btfId === 0 ? undefined : Btf.fromId(btfId)
    const element = (name: string, types: BtfTypes | undefined, type: number, size: number): ElementCodec => {
      const codec = types === undefined || type === 0 ? undefined : compile(types, type, { name })
      return codec?.size === size ? codec : (bytesCodec(name, size) as ElementCodec)
    }
    return {
      key: element('key', btf?.types, btfKeyTypeId, map.keySize),
      // The values of struct_ops maps have a type of the kernel.
      value:
        btfVmlinuxValueTypeId === 0
          ? element('value', btf?.types, btfValueTypeId, map.valueSize)
          : element('value', kernelTypes(), btfVmlinuxValueTypeId, map.valueSize),
    }
  })
}
