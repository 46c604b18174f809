import { Btf } from '../btf/btf.js'
import { compile } from '../btf/codec.js'
import type { BtfTypes } from '../btf/parse.js'
import { attempt } from '../errors/attempt.js'
import { kernelTypes } from '../machine/kernel-types.js'
import { native } from '../native/binding.js'
import { bytesCodec, type ElementCodec } from './element-codec.js'
import { BpfMap } from './map.js'

/**
 * A map that somebody else made, its keys and values decoded by the BTF that it came with; bytes where it has none.
 * (`bpf_map_get_fd_by_id`, Linux 4.13; CAP_SYS_ADMIN)
 *
 * @param id - the kernel's number for it
 */
export function openMap<K = unknown, V = unknown>(id: number): BpfMap<K, V> {
  const handle = attempt({ what: `open the map with id ${id}`, capabilities: () => ['CAP_SYS_ADMIN'] }, () =>
    native.mapFromId(id),
  )
  return new BpfMap<K, V>(handle, undefined, (map) => {
    const { btfId, btfKeyTypeId, btfValueTypeId, btfVmlinuxValueTypeId } = map.info()
    using btf = btfId === 0 ? undefined : Btf.fromId(btfId)
    const element = (name: string, types: BtfTypes | undefined, type: number, size: number): ElementCodec => {
      const codec = types === undefined || type === 0 ? undefined : compile(types, type, { name })
      return codec?.size === size ? codec : (bytesCodec(name, size) as ElementCodec)
    }
    return {
      key: element('key', btf?.types, btfKeyTypeId, map.keySize),
      // What struct_ops maps hold is the kernel's.
      value:
        btfVmlinuxValueTypeId === 0
          ? element('value', btf?.types, btfValueTypeId, map.valueSize)
          : element('value', kernelTypes(), btfVmlinuxValueTypeId, map.valueSize),
    }
  })
}
