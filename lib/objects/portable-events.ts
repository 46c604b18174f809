import { native } from '../native/binding.js'
import { mapTypeNumber } from '../native/type-names.js'
import type { BpfObject } from './object.js'

/**
 * Turns the maps that are declared with LIBBPF_NODE_EVENTS into perf event arrays if the kernel has no ring buffers,
 * and tells the programs. Setting the variable `${map}_use_perf` to 1 forces perf event arrays on every kernel.
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
    // libbpf then creates one entry for each CPU.
    map.maxEntries = 0
  }
}
