import { attempt } from '../errors/attempt.js'
import { attachableMaps } from '../links/attachment.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import type { BpfMap } from './map.js'

/** The bytes of a section: the initial value before load, and then the live memory. @internal */
export interface SectionMemory {
  read(offset: number, target: Uint8Array): void
  write(offset: number, source: Uint8Array): void
}

/** The memory of a section's map, or of a struct_ops map before load. @internal */
export function sectionMemory(map: BpfMap<unknown, unknown>): SectionMemory {
  const handle = mapHandles.of(map)
  const { subject } = attachableMaps.of(map)
  const reading = { ...subject, what: `map '${map.name}': read` }
  const writing = { ...subject, what: `map '${map.name}': write` }
  // libbpf does not map a section without a global variable that the linker sees.
  const element = (): [key: Uint8Array, value: Uint8Array | undefined] => {
    const key = new Uint8Array(map.keySize)
    return [key, map.raw.get(key)]
  }
  return {
    read(offset, target) {
      if (attempt(reading, () => native.mapMemoryRead(handle, offset, target))) return
      const [, value] = element()
      if (value !== undefined) target.set(value.subarray(offset, offset + target.length))
    },
    write(offset, source) {
      if (attempt(writing, () => native.mapMemoryWrite(handle, offset, source))) return
      const [key, value] = element()
      if (value === undefined) return
      value.set(source, offset)
      map.raw.set(key, value)
    },
  }
}
