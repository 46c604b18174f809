import { native } from '../native/binding.js'
import { mapTypeNumber } from '../native/type-names.js'
import type { BpfObject } from './object.js'

/**
 * Makes perf event arrays of the maps that were declared with LIBBPF_NODE_EVENTS, where the kernel has no ring buffers, and tells their programs.
 * Whoever sets `${map}_use_perf` himself has them everywhere.
 *
 * @internal
 */
export function choosePortableMaps(object: BpfObject): void {
  for (const [name, map] of object.maps) {
    if (map.type !== 'ringbuf' || !object.maps.has(`${name}_heap`)) continue
    const flag = `${name}_use_perf`
    const { rodata } = object
    if (rodata[flag] === 0) rodata[flag] = native.probeMapType(mapTypeNumber('ringbuf')) === 1 ? 0 : 1
    if (rodata[flag] !== 1) continue
    map.type = 'perf_event_array'
    map.keySize = 4
    map.valueSize = 4
    // libbpf makes it as many as there are CPUs.
    map.maxEntries = 0
  }
}
